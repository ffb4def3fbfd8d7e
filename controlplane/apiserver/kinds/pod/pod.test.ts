import { describe, expect, test } from '@jest/globals';
import type { Container, Pod, PodSpec, PodStatus } from '../../../../proto/api/core-v1.ts';
import { podStrategy } from './pod.ts';

const CONTEXT = { nowMs: 0, user: { name: 'u', groups: [] }, dryRun: false };

function pod(spec: Partial<PodSpec> = {}, container: Partial<Container> = {}): Pod {
  return {
    metadata: { name: 'p', namespace: 'default' },
    spec: { containers: [{ name: 'c', image: 'registry.example/app:1', ...container }], ...spec },
  };
}

function defaulted(object: Pod): Pod {
  podStrategy.default?.(object);
  return object;
}

function errorsOf(object: Pod): string[] {
  return (podStrategy.validate?.(defaulted(object)) ?? []).map(String);
}

describe('podStrategy.default()', () => {
  test('fills in what upstream fills in', () => {
    const probe = { httpGet: { port: 80 } };
    const object = pod(
      { volumes: [{ name: 'a' }, { name: 'b', configMap: { name: 'x' } }, { name: 'h', hostPath: { path: '/x' } }] },
      { livenessProbe: probe, ports: [{ containerPort: 80 }], resources: { limits: { cpu: '1' } } },
    );
    expect(defaulted(object).spec).toEqual({
      restartPolicy: 'Always',
      dnsPolicy: 'ClusterFirst',
      terminationGracePeriodSeconds: 30,
      schedulerName: 'default-scheduler',
      securityContext: {},
      enableServiceLinks: true,
      volumes: [
        { name: 'a', emptyDir: {} },
        { name: 'b', configMap: { name: 'x', defaultMode: 420 } },
        { name: 'h', hostPath: { path: '/x', type: '' } },
      ],
      containers: [
        {
          name: 'c',
          image: 'registry.example/app:1',
          imagePullPolicy: 'IfNotPresent',
          terminationMessagePath: '/dev/termination-log',
          terminationMessagePolicy: 'File',
          ports: [{ containerPort: 80, protocol: 'TCP' }],
          resources: { limits: { cpu: '1' }, requests: { cpu: '1' } },
          livenessProbe: {
            httpGet: { port: 80, path: '/', scheme: 'HTTP' },
            timeoutSeconds: 1,
            periodSeconds: 10,
            successThreshold: 1,
            failureThreshold: 3,
          },
        },
      ],
    });
  });

  test('is idempotent', () => {
    const once = defaulted(pod({ hostNetwork: true }, { ports: [{ containerPort: 80 }] }));
    expect(defaulted(structuredClone(once))).toEqual(once);
    expect(once.spec.containers[0]?.ports?.[0]?.hostPort).toBe(80);
  });

  test.each([
    ['app', 'Always'],
    ['app:latest', 'Always'],
    ['host:5000/app', 'Always'],
    ['host:5000/app:1', 'IfNotPresent'],
    ['app@sha256:abc', 'IfNotPresent'],
  ])('pull policy of %s is %s', (image, want) => {
    expect(defaulted(pod({}, { image })).spec.containers[0]?.imagePullPolicy).toBe(want);
  });
});

describe('podStrategy.validate()', () => {
  test('a plain pod is good', () => {
    expect(errorsOf(pod())).toEqual([]);
  });

  const LABEL =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
  test.each([
    ['no containers', pod({ containers: [] }), ['spec.containers: Required value']],
    ['no image', pod({}, { image: '' }), ['spec.containers[0].image: Required value']],
    ['bad name', pod({}, { name: 'A_b' }), [`spec.containers[0].name: Invalid value: "A_b": ${LABEL}`]],
    [
      'name twice',
      pod({
        containers: [
          { name: 'c', image: 'a' },
          { name: 'c', image: 'a' },
        ],
      }),
      ['spec.containers[1].name: Duplicate value: "c"'],
    ],
    [
      'restart policy',
      pod({ restartPolicy: 'Sometimes' }),
      ['spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"'],
    ],
    [
      'port range',
      pod({}, { ports: [{ containerPort: 70000 }] }),
      ['spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive'],
    ],
    [
      'mount of nothing',
      pod({}, { volumeMounts: [{ name: 'v', mountPath: '/v' }] }),
      ['spec.containers[0].volumeMounts[0].name: Not found: "v"'],
    ],
    [
      'request over limit',
      pod({}, { resources: { requests: { cpu: '2' }, limits: { cpu: '1' } } }),
      ['spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'],
    ],
    [
      'unknown resource',
      pod({}, { resources: { limits: { foo: '1' }, requests: {} } }),
      [
        'spec.containers[0].resources.limits[foo]: Invalid value: "foo": must be a standard resource type or fully qualified',
        'spec.containers[0].resources.limits[foo]: Invalid value: "foo": must be a standard resource for containers',
        'spec.containers[0].resources.requests[foo]: Invalid value: "foo": must be a standard resource type or fully qualified',
        'spec.containers[0].resources.requests[foo]: Invalid value: "foo": must be a standard resource for containers',
      ],
    ],
    [
      'empty probe',
      pod({}, { livenessProbe: {} }),
      ['spec.containers[0].livenessProbe: Required value: must specify a handler type'],
    ],
    [
      'success threshold of liveness',
      pod({}, { livenessProbe: { exec: { command: ['x'] }, successThreshold: 2 } }),
      ['spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1'],
    ],
    [
      'env source with value',
      pod({}, { env: [{ name: 'A', value: 'x', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }] }),
      ['spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty'],
    ],
    [
      'unknown field path',
      pod({}, { env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.foo' } } }] }),
      [
        'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "metadata.foo": error converting fieldPath: field label not supported: metadata.foo',
      ],
    ],
    [
      'DNS policy None alone',
      pod({ dnsPolicy: 'None' }),
      ['spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None'],
    ],
    [
      'toleration without key',
      pod({ tolerations: [{ operator: 'Equal', value: 'x' }] }),
      [
        'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means "match all values and all keys"',
      ],
    ],
    [
      'two volume sources',
      pod({ volumes: [{ name: 'v', emptyDir: {}, hostPath: { path: '/' } }] }),
      ['spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type'],
    ],
    [
      'probe of an init container',
      pod({ initContainers: [{ name: 'i', image: 'x', livenessProbe: { exec: { command: ['x'] } } }] }),
      [
        'spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always',
      ],
    ],
  ])('%s', (_name, object, want) => {
    expect(errorsOf(object)).toEqual(want);
  });
});

describe('podStrategy.validateUpdate()', () => {
  const update = (change: (object: Pod) => void): string[] => {
    const older = defaulted(pod());
    const object = structuredClone(older);
    change(object);
    return (podStrategy.validateUpdate?.(object, older) ?? []).map(String);
  };

  test('an image may change', () => {
    expect(update(p => ((p.spec.containers[0] ?? { name: '' }).image = 'other'))).toEqual([]);
  });

  test('other fields may not', () => {
    expect(update(p => (p.spec.hostNetwork = true))[0]).toMatch(
      /^spec: Forbidden: pod updates may not change fields other than `spec\.containers\[\*\]\.image`,/,
    );
  });

  test('containers may not be added', () => {
    expect(update(p => p.spec.containers.push({ name: 'd', image: 'x' }))).toEqual([
      'spec.containers: Forbidden: pod updates may not add or remove containers',
    ]);
  });
});

describe('podStrategy.columns', () => {
  const cells = (status: PodStatus, extra: Partial<Pod> = {}, spec: Partial<PodSpec> = {}): unknown[] => {
    const object = { ...defaulted(pod(spec)), ...extra, status };
    return (podStrategy.columns ?? [])
      .slice(1, 4)
      .map(column => column.cell(object, Date.parse('2026-01-01T00:10:00Z')));
  };
  const base = { name: 'c', image: 'x', imageID: '', restartCount: 0 };

  test.each([
    ['pending', cells({ phase: 'Pending' }), ['0/1', 'Pending', '0']],
    [
      'running',
      cells({ phase: 'Running', containerStatuses: [{ ...base, ready: true, state: { running: {} } }] }),
      ['1/1', 'Running', '0'],
    ],
    [
      'crash loop',
      cells({
        phase: 'Running',
        containerStatuses: [
          {
            ...base,
            ready: false,
            restartCount: 3,
            state: { waiting: { reason: 'CrashLoopBackOff' } },
            lastState: { terminated: { exitCode: 1, finishedAt: '2026-01-01T00:05:00Z' } },
          },
        ],
      }),
      ['0/1', 'CrashLoopBackOff', '3 (5m ago)'],
    ],
    [
      'completed',
      cells({
        phase: 'Succeeded',
        containerStatuses: [{ ...base, ready: false, state: { terminated: { exitCode: 0, reason: 'Completed' } } }],
      }),
      ['0/1', 'Completed', '0'],
    ],
    [
      'init',
      cells(
        { phase: 'Pending', initContainerStatuses: [{ ...base, name: 'i', ready: false, state: { running: {} } }] },
        {},
        { initContainers: [{ name: 'i', image: 'x' }] },
      ),
      ['0/1', 'Init:0/1', '0'],
    ],
    [
      'exit code',
      cells({
        phase: 'Failed',
        containerStatuses: [{ ...base, ready: false, state: { terminated: { exitCode: 2 } } }],
      }),
      ['0/1', 'ExitCode:2', '0'],
    ],
    [
      'terminating',
      cells({ phase: 'Running' }, { metadata: { name: 'p', deletionTimestamp: '2026-01-01T00:00:00Z' } }),
      ['0/1', 'Terminating', '0'],
    ],
  ])('%s', (_name, got, want) => {
    expect(got).toEqual(want);
  });
});

describe('podStrategy', () => {
  test('prepareForCreate() earns the pod its quality of service', () => {
    const object = defaulted(pod({}, { resources: { limits: { cpu: '1', memory: '1Gi' } } }));
    podStrategy.prepareForCreate?.(object, CONTEXT);
    expect(object.status).toEqual({ phase: 'Pending', qosClass: 'Guaranteed' });
  });

  test('prepareForCreate() writes the label keys of affinity into its selectors', () => {
    const term = {
      topologyKey: 'zone',
      labelSelector: { matchLabels: { app: 'a' } },
      matchLabelKeys: ['hash', 'none'],
      mismatchLabelKeys: ['tenant'],
    };
    const object = defaulted(
      pod({ affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } } }),
    );
    object.metadata.labels = { hash: '1', tenant: 'x' };
    podStrategy.prepareForCreate?.(object, CONTEXT);
    const [merged] = object.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
    expect(merged?.labelSelector?.matchExpressions).toEqual([
      { key: 'hash', operator: 'In', values: ['1'] },
      { key: 'tenant', operator: 'NotIn', values: ['x'] },
    ]);
    expect(errorsOf(object)).toEqual([]);
  });

  test.each([
    [{ podIP: '10.0.0.1' }, { podIP: '10.0.0.1', podIPs: [{ ip: '10.0.0.1' }] }],
    [{ podIPs: [{ ip: '10.0.0.1' }] }, { podIP: '10.0.0.1', podIPs: [{ ip: '10.0.0.1' }] }],
    [
      { podIP: '10.0.0.2', podIPs: [{ ip: '10.0.0.1' }] },
      { podIP: '10.0.0.2', podIPs: [{ ip: '10.0.0.2' }] },
    ],
    [{}, {}],
  ])('default() settles the addresses %j', (status, expected) => {
    expect(defaulted({ ...pod(), status } as Pod).status).toEqual(expected);
  });

  test('gracefulDelete() is immediate when nothing runs', () => {
    expect(podStrategy.gracefulDelete?.(defaulted(pod()), 30)).toBe(0);
    expect(podStrategy.gracefulDelete?.(defaulted(pod({ nodeName: 'n' })), undefined)).toBe(30);
    expect(podStrategy.gracefulDelete?.(defaulted(pod({ nodeName: 'n' })), 5)).toBe(5);
  });

  test('default() and validate() cost no more than some copies of the object', () => {
    const object = pod(
      {},
      { ports: [{ containerPort: 80 }], env: Array.from({ length: 20 }, (_, i) => ({ name: `E${i}`, value: 'x' })) },
    );
    const costMs = (work: () => unknown): number => {
      for (let i = 0; i < 2000; i++) work();
      const start = performance.now();
      for (let i = 0; i < 1000; i++) work();
      return performance.now() - start;
    };
    expect(costMs(() => errorsOf(object))).toBeLessThan(100 * costMs(() => JSON.parse(JSON.stringify(object))));
  });
});
