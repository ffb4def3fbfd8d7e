import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Node, Pod, PodSpec } from '../../../proto/api/core-v1.ts';
import { decideNode, handleAlone, pluginsOf } from '../testdata/plugins-alone.ts';
import { NodeInfo } from './node-info.ts';
import { snapshotOf } from './snapshot.ts';

const plugins = pluginsOf(handleAlone({ team: 'a' }));

interface NodeShape {
  labels?: Record<string, string>;
  taints?: { key: string; value?: string; effect: string }[];
  unschedulable?: boolean;
  cpu?: string;
  pods?: Pod[];
}

function node(name: string, shape: NodeShape = {}): NodeInfo {
  const info = new NodeInfo({
    metadata: { name, labels: { 'kubernetes.io/hostname': name, ...shape.labels } },
    spec: { unschedulable: shape.unschedulable, taints: shape.taints as never },
    status: { allocatable: { cpu: shape.cpu ?? '4', memory: '8Gi', pods: '10' } },
  } as Node);
  for (const pod of shape.pods ?? []) info.addPod(pod);
  return info;
}

let uids = 0;
function pod(spec: Partial<PodSpec> = {}, labels: Record<string, string> = {}): Pod {
  const uid = `u${uids++}`;
  return {
    metadata: { name: uid, namespace: 'default', uid, labels },
    spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
  };
}

const withCpu = (cpu: string): Partial<PodSpec> => ({
  containers: [{ name: 'c', image: 'i', resources: { requests: { cpu } } }],
});
const decide = (p: Pod, nodes: NodeInfo[]): string => {
  const d = decideNode(plugins, p, snapshotOf(nodes), () => 0);
  return d.kind === 'fits' ? d.nodeName : d.message;
};
const apart: Partial<PodSpec> = {
  affinity: {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'x' } } },
      ],
    },
  },
};

test.each([
  { name: 'no node at all', p: pod(), nodes: [], want: 'no nodes available to schedule pods' },
  {
    name: 'cordoned',
    p: pod(),
    nodes: [node('a', { unschedulable: true })],
    want: '0/1 nodes are available: 1 node(s) were unschedulable.',
  },
  {
    name: 'taint',
    p: pod(),
    nodes: [node('a', { taints: [{ key: 'k', value: 'v', effect: 'NoSchedule' }] })],
    want: '0/1 nodes are available: 1 node(s) had untolerated taint(s).',
  },
  {
    name: 'tolerated taint',
    p: pod({ tolerations: [{ key: 'k', operator: 'Exists' }] }),
    nodes: [node('a', { taints: [{ key: 'k', value: 'v', effect: 'NoSchedule' }] })],
    want: 'a',
  },
  {
    name: 'reasons are counted',
    p: pod(withCpu('6')),
    nodes: [node('a'), node('b'), node('c', { unschedulable: true })],
    want: '0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu.',
  },
  {
    name: 'exactly what is left fits',
    p: pod(withCpu('2')),
    nodes: [node('a', { pods: [pod(withCpu('2'))] })],
    want: 'a',
  },
  {
    name: 'one millicore too much',
    p: pod(withCpu('2001m')),
    nodes: [node('a', { pods: [pod(withCpu('2'))] })],
    want: '0/1 nodes are available: 1 Insufficient cpu.',
  },
  {
    name: 'selector',
    p: pod({ nodeSelector: { disk: 'ssd' } }),
    nodes: [node('a'), node('b', { labels: { disk: 'ssd' } })],
    want: 'b',
  },
  {
    name: 'least allocated wins',
    p: pod(withCpu('1')),
    nodes: [node('a', { pods: [pod(withCpu('3'))] }), node('b')],
    want: 'b',
  },
  {
    name: 'anti-affinity',
    p: pod(apart, { app: 'x' }),
    nodes: [node('a', { pods: [pod({}, { app: 'x' })] })],
    want: "0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules.",
  },
  {
    name: 'anti-affinity of the pod that is there',
    p: pod({}, { app: 'x' }),
    nodes: [node('a', { pods: [pod(apart, { app: 'y' })] })],
    want: "0/1 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules.",
  },
  {
    name: 'spread',
    nodes: [node('a', { pods: [pod({}, { app: 's' })] }), node('b', { unschedulable: true })],
    p: pod(
      {
        topologySpreadConstraints: [
          {
            maxSkew: 1,
            topologyKey: 'kubernetes.io/hostname',
            whenUnsatisfiable: 'DoNotSchedule',
            labelSelector: { matchLabels: { app: 's' } },
          },
        ],
      },
      { app: 's' },
    ),
    want: "0/2 nodes are available: 1 node(s) didn't match pod topology spread constraints, 1 node(s) were unschedulable.",
  },
  {
    name: 'a claim that is not there',
    p: pod({ volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }] }),
    nodes: [node('a')],
    want: '0/1 nodes are available: persistentvolumeclaim "data" not found.',
  },
])('decideNode() $name', ({ p, nodes, want }) => {
  expect(decide(p, nodes)).toBe(want);
});

test('decideNode() refuses a host port that is taken on the same address', () => {
  const using = (hostIP?: string): Partial<PodSpec> => ({
    containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80, hostPort: 80, hostIP, protocol: 'TCP' }] }],
  });
  const taken = node('a', { pods: [pod(using('10.0.0.1'))] });
  expect(decide(pod(using('10.0.0.2')), [taken])).toBe('a');
  expect(decide(pod(using()), [taken])).toBe(
    "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.",
  );
});

test('decideNode() never places more than a node has, whatever comes and goes', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 3000 }), { maxLength: 40 }), requests => {
      const nodes = [node('a'), node('b', { cpu: '2' })];
      for (const millis of requests) {
        const p = pod(withCpu(`${millis}m`));
        const d = decideNode(plugins, p, snapshotOf(nodes), () => 0);
        if (d.kind === 'fits') nodes.find(n => n.name === d.nodeName)?.addPod(p);
      }
      for (const n of nodes) expect(n.requested.cpuMillis).toBeLessThanOrEqual(n.allocatable.cpuMillis);
    }),
  );
});
