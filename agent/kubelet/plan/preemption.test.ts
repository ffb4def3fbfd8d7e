import { expect, test } from '@jest/globals';
import type { Container, Node, Pod } from '../../../proto/api/core-v1.ts';
import { admitPod } from './node-admission.ts';

const node: Node = {
  metadata: { name: 'n' },
  spec: { taints: [{ key: 'gone', effect: 'NoExecute' }] },
  status: { allocatable: { cpu: '2', memory: '1Gi', pods: '4' } },
};
const tolerations = [{ operator: 'Exists' }];

function pod(name: string, requests: Record<string, string>, spec: Partial<Pod['spec']> = {}): Pod {
  const containers: Container[] = [{ name: 'c', resources: { requests } }];
  return { metadata: { name, uid: name }, spec: { containers, tolerations, ...spec } };
}
const guaranteed = (name: string, cpu: string): Pod => {
  const made = pod(name, {});
  made.spec.containers = [{ name: 'c', resources: { limits: { cpu, memory: '1Mi' } } }];
  return made;
};
const critical = (requests: Record<string, string>, spec: Partial<Pod['spec']> = {}): Pod =>
  pod('critical', requests, { priority: 2_000_001_000, ...spec });

test.each<[string, Pod, Pod[], string[]]>([
  ['takes the lower class first', critical({ cpu: '1' }), [guaranteed('g', '1'), pod('b', { cpu: '1' })], ['b']],
  [
    'takes one that is enough, and the smaller of those',
    critical({ cpu: '500m' }),
    [pod('a', { cpu: '400m' }), pod('b', { cpu: '600m' }), pod('c', { cpu: '1' })],
    ['b'],
  ],
  [
    'takes several when one is not enough',
    critical({ cpu: '2' }),
    [pod('a', { cpu: '1' }), pod('b', { cpu: '700m' }), pod('c', { cpu: '300m' })],
    ['a', 'b', 'c'],
  ],
  [
    'takes the better served only for what the others lack',
    critical({ cpu: '1500m' }),
    [guaranteed('g', '1'), pod('b', { cpu: '1' })],
    ['b', 'g'],
  ],
  [
    'makes room for one pod more',
    critical({}),
    [pod('a', { cpu: '1' }), pod('b', {}), pod('c', { memory: '1Mi' }), guaranteed('g', '1m')],
    ['b'],
  ],
])('admitPod() of a critical pod %s', (_, p, others, victims) => {
  expect(admitPod(p, others, node)?.victims?.map(({ metadata }) => metadata.name)).toEqual(victims);
});

test('admitPod() does not end critical pods, nor any when that does not help', () => {
  const system = critical({ cpu: '2' });
  expect(admitPod(critical({ cpu: '1' }), [system], node)).toEqual({
    reason: 'UnexpectedAdmissionError',
    message:
      'Pod was rejected: Unexpected error while attempting to recover from admission failure: preemption: error finding a set of pods to preempt: no set of running pods found to reclaim resources: [(res: cpu, q: 1000), ]',
  });
  const elsewhere = critical({ cpu: '1' }, { nodeSelector: { zone: 'x' } });
  expect(admitPod(elsewhere, [pod('a', { cpu: '2' })], node)?.reason).toBe('NodeAffinity');
  expect(admitPod(pod('b', { cpu: '1' }), [pod('a', { cpu: '2' })], node)).toEqual({
    reason: 'OutOfcpu',
    message: "Pod was rejected: Node didn't have enough resource: cpu, requested: 1000, used: 2000, capacity: 2000",
  });
});

test('admitPod() minds taints that would end the pod, but for static pods', () => {
  const plain = pod('p', {}, { tolerations: [] });
  const fixed: Pod = { ...plain, metadata: { annotations: { 'kubernetes.io/config.source': 'file' } } };
  expect(admitPod(plain, [], node)?.reason).toBe('TaintToleration');
  expect(admitPod(fixed, [], node)).toBeUndefined();
});

test.each([
  ['', '', 'TCP', true],
  ['0.0.0.0', '127.0.0.1', 'TCP', true],
  ['127.0.0.2', '127.0.0.1', 'TCP', false],
  ['', '', 'UDP', false],
])('admitPod() with a port at %j and one at %j/%s: taken %s', (hostIP, otherIP, protocol, isTaken) => {
  const at = (ip: string, proto: string): Pod => {
    const made = pod(`${ip}-${proto}`, {});
    made.spec.containers = [{ name: 'c', ports: [{ containerPort: 1, hostPort: 80, hostIP: ip, protocol: proto }] }];
    return made;
  };
  expect(admitPod(at(hostIP, 'TCP'), [at(otherIP, protocol)], node)?.reason).toBe(isTaken ? 'NodePorts' : undefined);
});
