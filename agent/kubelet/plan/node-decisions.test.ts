import { describe, expect, test } from '@jest/globals';
import type { Container, Node, Pod } from '../../../proto/api/core-v1.ts';
import { podGarbage } from '../node/plan/container-garbage.ts';
import { fullImageName, parseImageName } from '../images/plan/image-name.ts';
import { containerResources, cpuQuotaUs, cpuShares, podCgroupResources } from './linux-resources.ts';
import { admitPod } from './node-admission.ts';
import type { ContainerView } from './pod-view.ts';
import { INITIAL_PROBE_STATE, nextProbeState } from './probe-state.ts';
import { podRequests, qosClassOf } from '../../../machinery/meta/pod-resources.ts';
import { sameJson, statusPatch } from './status-patch.ts';

const pod = (...containers: Container[]): Pod => ({ metadata: { name: 'p', uid: 'u' }, spec: { containers } });
const c = (requests?: Record<string, string>, limits?: Record<string, string>): Container => ({
  name: 'c',
  resources: { ...(requests === undefined ? {} : { requests }), ...(limits === undefined ? {} : { limits }) },
});

test.each([
  [pod(c()), 'BestEffort'],
  [pod(c({ cpu: '1' })), 'Burstable'],
  [pod(c(undefined, { cpu: '1', memory: '1Gi' })), 'Guaranteed'],
  [pod(c({ cpu: '500m', memory: '1Gi' }, { cpu: '1', memory: '1Gi' })), 'Burstable'],
  [pod(c(undefined, { cpu: '1', memory: '1Gi' }), c()), 'Burstable'],
])('qosClassOf() #%#: %s', (p, want) => {
  expect(qosClassOf(p)).toBe(want);
});

test('podRequests() is the more of main containers and the greatest init container, sidecars with both', () => {
  const p = pod(c({ cpu: '1' }), c({ cpu: '500m' }));
  p.spec.initContainers = [{ ...c({ cpu: '200m' }), restartPolicy: 'Always' }, c({ cpu: '3' })];
  p.spec.overhead = { cpu: '100m' };
  expect(podRequests(p).get('cpu')?.milliValue()).toBe(3300);
});

test.each([
  [0, 2, 0],
  [1, 2, 1000],
  [100, 102, 10_000],
  [2000, 2048, 200_000],
])('%i thousandths of a processor: %i shares, quota %i', (milli, shares, quota) => {
  expect([cpuShares(milli), cpuQuotaUs(milli)]).toEqual([shares, quota]);
});

test('containerResources() and podCgroupResources() follow requests and limits', () => {
  const p = pod(c({ cpu: '100m' }, { memory: '64Mi', cpu: '1' }));
  expect(containerResources(p, p.spec.containers[0] ?? c(), 1 << 30)).toMatchObject({
    cpuShares: 102n,
    cpuQuota: 100_000n,
    memoryLimitInBytes: 67_108_864n,
    oomScoreAdj: 938n,
  });
  expect(podCgroupResources(p)).toEqual({
    cpuShares: 102,
    cpuQuotaUs: 100_000,
    cpuPeriodUs: 100_000,
    memoryLimitBytes: 67_108_864,
  });
  expect(podCgroupResources(pod(c(undefined, { memory: '1Gi' }), c()))).toMatchObject({ memoryLimitBytes: 0 });
});

describe('image names', () => {
  test.each([
    ['busybox', 'docker.io/library/busybox:latest'],
    ['a/b:1', 'docker.io/a/b:1'],
    ['r.example:5000/a/b', 'r.example:5000/a/b:latest'],
    ['localhost/a', 'localhost/a:latest'],
    [`x@sha256:${'a'.repeat(64)}`, `docker.io/library/x@sha256:${'a'.repeat(64)}`],
  ])('%s is %s', (text, want) => {
    const name = parseImageName(text);
    expect(name === undefined ? undefined : fullImageName(name)).toBe(want);
  });

  test.each(['', 'UPPER', 'a b', 'a:', '/x'])('%j is none', text => {
    expect(parseImageName(text)).toBeUndefined();
  });
});

test('nextProbeState() answers once a threshold is reached', () => {
  const probe = { failureThreshold: 2, successThreshold: 2 };
  let state = INITIAL_PROBE_STATE;
  const answers = (['failure', 'failure', 'success', 'failure', 'success', 'success'] as const).map(result => {
    state = nextProbeState(state, result, probe);
    return state.answer;
  });
  expect(answers).toEqual([undefined, 'failure', 'failure', 'failure', 'failure', 'success']);
});

describe('statusPatch()', () => {
  test('names only what differs, and lists with a merge key as a whole', () => {
    const patch = statusPatch(
      pod(),
      { phase: 'Pending', podIPs: [{ ip: 'a' }] },
      { phase: 'Running', podIPs: [{ ip: 'b' }] },
    );
    expect(patch).toEqual({
      metadata: { uid: 'u' },
      status: { phase: 'Running', podIPs: [{ ip: 'b' }, { $patch: 'replace' }] },
    });
  });

  test('leaves others conditions alone and takes away an old reason', () => {
    const applied = {
      conditions: [
        { type: 'Ready', status: 'False', reason: 'X' },
        { type: 'x/y', status: 'True' },
      ],
    };
    const desired = {
      conditions: [
        { type: 'Ready', status: 'True' },
        { type: 'x/y', status: 'False' },
      ],
    };
    expect(statusPatch(pod(), applied, desired)).toMatchObject({
      status: { conditions: [{ type: 'Ready', status: 'True', reason: null, message: null }] },
    });
  });

  test('is nothing when nothing differs', () => {
    expect(statusPatch(pod(), { phase: 'Running' }, { phase: 'Running' })).toBeUndefined();
    expect(sameJson({ a: undefined, b: [1, { c: null }] }, { b: [1, {}] })).toBe(true);
  });
});

describe('admitPod()', () => {
  const node: Node = {
    metadata: { name: 'n', labels: { zone: 'a' } },
    spec: {},
    status: { allocatable: { cpu: '2', memory: '1Gi', pods: '2' } },
  };
  const port = (hostPort: number): Pod => pod({ name: 'c', ports: [{ containerPort: 1, hostPort }] });
  test.each<[string, Pod, Pod[], string | undefined]>([
    ['takes what fits', pod(c({ cpu: '2' })), [], undefined],
    ['refuses too much', pod(c({ cpu: '1500m' })), [pod(c({ cpu: '1' }))], 'OutOfcpu'],
    ['refuses one pod too many', pod(c()), [pod(c()), pod(c())], 'OutOfpods'],
    ['refuses a taken port', port(80), [port(80)], 'NodePorts'],
    ['takes another port', port(80), [port(81)], undefined],
    [
      'refuses a wrong selector',
      { ...pod(c()), spec: { containers: [c()], nodeSelector: { zone: 'b' } } },
      [],
      'NodeAffinity',
    ],
    ['leaves extended resources to others', pod(c({ 'x.example/gpu': '1' })), [], undefined],
  ])('%s', (_, p, others, want) => {
    expect(admitPod(p, others, node)?.reason).toBe(want);
  });
});

test('podGarbage() keeps the newest attempt and one before it', () => {
  const attempt = (id: string, createdAtMs: number): ContainerView =>
    ({ id, name: 'c', sandboxId: 's1', state: 'exited', createdAtMs }) as ContainerView;
  const sandbox = (id: string, ready: boolean) => ({ id, attempt: 0, ready, createdAtMs: 0, ips: [] });
  const view = {
    uid: 'u',
    namespace: 'n',
    name: 'p',
    sandboxes: [sandbox('s1', true), sandbox('s0', false)],
    containers: [attempt('c3', 3), attempt('c2', 2), attempt('c1', 1)],
  };
  const garbage = podGarbage(view, 100_000);
  expect(garbage.containers.map(container => container.id)).toEqual(['c1']);
  expect(garbage.sandboxes.map(s => s.id)).toEqual(['s0']);
});
