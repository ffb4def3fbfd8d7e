import { describe, expect, test } from '@jest/globals';
import type { Deployment } from '../../../../proto/api/apps-v1.ts';
import type { Secret, Service } from '../../../../proto/api/core-v1.ts';
import { secretStrategy } from '../core/secret.ts';
import { cronScheduleProblem } from '../../../../machinery/meta/cron-schedule.ts';
import { humanDuration } from '../columns/age.ts';
import { serviceStrategy } from '../service/service.ts';
import { deploymentStrategy } from './deployment.ts';

function deployment(spec: Partial<Deployment['spec']> = {}): Deployment {
  const labels = { app: 'a' };
  const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'x:1' }] } };
  return {
    metadata: { name: 'd', namespace: 'default' },
    spec: { selector: { matchLabels: labels }, template, ...spec },
  };
}

function deploymentErrors(object: Deployment): string[] {
  deploymentStrategy.default?.(object);
  return (deploymentStrategy.validate?.(object) ?? []).map(String);
}

describe('deploymentStrategy', () => {
  test('default() gives upstream’s numbers', () => {
    const object = deployment();
    deploymentStrategy.default?.(object);
    expect(object.spec).toMatchObject({
      replicas: 1,
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
    });
  });

  test.each([
    ['good', deployment(), []],
    [
      'negative replicas',
      deployment({ replicas: -1 }),
      ['spec.replicas: Invalid value: -1: must be greater than or equal to 0'],
    ],
    [
      'other labels',
      deployment({ selector: { matchLabels: { app: 'b' } } }),
      ['spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`'],
    ],
    [
      'rolling update with Recreate',
      deployment({ strategy: { type: 'Recreate', rollingUpdate: {} } }),
      ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
    ],
  ])('validate(): %s', (_name, object, want) => {
    expect(deploymentErrors(object)).toEqual(want);
  });
});

describe('serviceStrategy', () => {
  const service = (spec: Service['spec']): Service => ({ metadata: { name: 's', namespace: 'default' }, spec });
  const errors = (object: Service): string[] => {
    serviceStrategy.default?.(object);
    return (serviceStrategy.validate?.(object) ?? []).map(String);
  };

  test('default() fills in protocol, target and policies', () => {
    const object = service({ ports: [{ port: 80 }], type: 'NodePort' });
    serviceStrategy.default?.(object);
    expect(object.spec).toEqual({
      ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
      type: 'NodePort',
      sessionAffinity: 'None',
      externalTrafficPolicy: 'Cluster',
      internalTrafficPolicy: 'Cluster',
    });
  });

  test.each([
    ['no ports', service({}), ['spec.ports: Required value']],
    ['headless without ports', service({ clusterIP: 'None', clusterIPs: ['None'] }), []],
    [
      'two ports without names',
      service({ ports: [{ port: 80 }, { port: 81 }] }),
      ['spec.ports[0].name: Required value', 'spec.ports[1].name: Required value'],
    ],
    [
      'node port of a ClusterIP service',
      service({ ports: [{ port: 80, nodePort: 30000 }] }),
      ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
    ],
    [
      'unknown type',
      service({ type: 'Magic', ports: [{ port: 80 }] }),
      [
        'spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
      ],
    ],
    ['external name without a name', service({ type: 'ExternalName' }), ['spec.externalName: Required value']],
  ])('validate(): %s', (_name, object, want) => {
    expect(errors(object)).toEqual(want);
  });

  test('an update keeps what was allocated', () => {
    const older = service({
      type: 'NodePort',
      clusterIP: '10.0.0.9',
      clusterIPs: ['10.0.0.9'],
      ports: [{ port: 80, protocol: 'TCP', nodePort: 30001 }],
    });
    const object = service({ type: 'NodePort', ports: [{ port: 80 }] });
    serviceStrategy.default?.(object);
    serviceStrategy.prepareForUpdate?.(object, older, { nowMs: 0, user: { name: 'u', groups: [] }, dryRun: false });
    expect(object.spec).toMatchObject({
      clusterIP: '10.0.0.9',
      clusterIPs: ['10.0.0.9'],
      ports: [{ nodePort: 30001 }],
    });
  });

  test('a cluster address may not change', () => {
    const older = service({ type: 'ClusterIP', clusterIP: '10.0.0.9', clusterIPs: ['10.0.0.9'] });
    const object = service({ type: 'ClusterIP', clusterIP: '10.0.0.8', clusterIPs: ['10.0.0.8'] });
    expect((serviceStrategy.validateUpdate?.(object, older) ?? []).map(String)).toEqual([
      'spec.clusterIPs[0]: Invalid value: ["10.0.0.8"]: may not change once set',
    ]);
  });
});

describe('secretStrategy', () => {
  test('default() encodes plain text', () => {
    const secret: Secret = { metadata: { name: 's' }, stringData: { a: 'b' } };
    secretStrategy.default?.(secret);
    expect(secret).toEqual({ metadata: { name: 's' }, type: 'Opaque', data: { a: 'Yg==' } });
  });
});

test.each([
  ['*/5 * * * *', undefined],
  ['0 0 1 jan sun', undefined],
  ['@daily', undefined],
  ['* * * *', 'expected exactly 5 fields, found 4: [* * * *]'],
  ['60 * * * *', 'end of range (60) above maximum (59): 60'],
  ['@sometimes', 'unrecognized descriptor: @sometimes'],
])('cronScheduleProblem(%s)', (schedule, want) => {
  expect(cronScheduleProblem(schedule)).toBe(want);
});

test.each([
  [0, '0s'],
  [119_000, '119s'],
  [120_000, '2m'],
  [302_000, '5m2s'],
  [600_000, '10m'],
  [3 * 3600_000, '3h'],
  [7.5 * 3600_000, '7h30m'],
  [47 * 3600_000, '47h'],
  [3.5 * 86_400_000, '3d12h'],
  [400 * 86_400_000, '400d'],
  [800 * 86_400_000, '2y70d'],
])('humanDuration(%d) is %s', (milliseconds, want) => {
  expect(humanDuration(milliseconds)).toBe(want);
});
