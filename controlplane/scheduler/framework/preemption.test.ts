import { describe, expect, test } from '@jest/globals';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { PodDisruptionBudget } from '../../../proto/api/policy-v1.ts';
import { pluginsOf } from '../testdata/plugins-alone.ts';
import { NodeInfo } from './node-info.ts';
import { Nominator } from './nominator.ts';
import { planPreemption } from './preemption.ts';
import { decideNode } from './run-plugins.ts';
import { snapshotOf } from './snapshot.ts';

const plugins = pluginsOf();

let uids = 0;
/** `cpu` in cores; later pods are younger. */
function pod(name: string, priority: number, cpu: number, more: Partial<Pod['spec']> = {}): Pod {
  const age = String(uids++ % 60).padStart(2, '0');
  return {
    metadata: { name, namespace: 'default', uid: `${name}-${uids}`, labels: { app: name } },
    spec: {
      priority,
      containers: [{ name: 'c', image: 'i', resources: { requests: { cpu: String(cpu) } } }],
      ...more,
    },
    status: { startTime: `2026-01-01T00:00:${age}Z` },
  };
}

function node(name: string, pods: Pod[], labels: Record<string, string> = {}): NodeInfo {
  const info = new NodeInfo({
    metadata: { name, labels: { 'kubernetes.io/hostname': name, ...labels } },
    spec: {},
    status: { allocatable: { cpu: '4', memory: '8Gi', pods: '10' } },
  });
  for (const each of pods) info.addPod(each);
  return info;
}

function plan(subject: Pod, nodes: NodeInfo[], budgets: PodDisruptionBudget[] = [], nominator = new Nominator()) {
  const snapshot = snapshotOf(nodes);
  const decision = decideNode(plugins, subject, snapshot, () => 0, nominator);
  if (decision.kind === 'fits') return `fits on ${decision.nodeName}`;
  const rejections = decision.diagnosis.byNode;
  const answer = planPreemption({ plugins, pod: subject, snapshot, rejections, budgets, nominator });
  if (answer.kind === 'none') return answer.message;
  return `${answer.nodeName}: ${answer.victims.map(({ metadata }) => metadata.name).join(' ')}`;
}

const budget = (app: string, disruptionsAllowed: number): PodDisruptionBudget => ({
  metadata: { name: app, namespace: 'default' },
  spec: { selector: { matchLabels: { app } } },
  status: { disruptionsAllowed, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1 },
});

describe('planPreemption()', () => {
  test('as few and as unimportant pods as possible go', () => {
    const nodes = [node('a', [pod('low', 1, 1), pod('mid', 5, 2), pod('high', 50, 1)])];
    expect(plan(pod('p', 10, 1), nodes)).toBe('a: low');
    expect(plan(pod('p', 10, 2), nodes)).toBe('a: mid');
    expect(plan(pod('p', 10, 3), nodes)).toBe('a: mid low');
  });

  test('nobody goes if that is not enough, or would not help', () => {
    const nodes = [node('a', [pod('high', 50, 3), pod('low', 1, 1)])];
    expect(plan(pod('p', 10, 2), nodes)).toBe(
      '0/1 nodes are available: 1 No preemption victims found for incoming pod.',
    );
    expect(plan(pod('p', 10, 2, { nodeSelector: { x: 'y' } }), nodes)).toBe(
      '0/1 nodes are available: 1 Preemption is not helpful for scheduling.',
    );
    expect(plan(pod('p', 10, 1, { preemptionPolicy: 'Never' }), nodes)).toBe(
      'not eligible due to preemptionPolicy=Never.',
    );
  });

  test('of equals the younger goes', () => {
    expect(plan(pod('p', 10, 2), [node('a', [pod('old', 1, 2), pod('young', 1, 2)])])).toBe('a: young');
  });

  test('the node is chosen where it hurts least', () => {
    const full = (name: string, ...pods: Pod[]) => node(name, pods);
    expect(plan(pod('p', 10, 4), [full('a', pod('m', 5, 4)), full('b', pod('l', 1, 4))])).toBe('b: l');
    expect(plan(pod('p', 10, 4), [full('a', pod('x', 1, 2), pod('y', 1, 2)), full('b', pod('z', 1, 4))])).toBe('b: z');
    expect(plan(pod('p', 10, 4), [full('a', pod('old', 1, 4)), full('b', pod('young', 1, 4))])).toBe('b: young');
  });

  test('a budget without anything left is broken last', () => {
    const nodes = [node('a', [pod('kept', 1, 2), pod('free', 2, 2)])];
    expect(plan(pod('p', 10, 2), nodes, [budget('kept', 0)])).toBe('a: free');
    expect(plan(pod('p', 10, 2), nodes, [budget('kept', 1)])).toBe('a: kept');
    const two = [node('a', [pod('kept', 1, 4)]), node('b', [pod('free', 5, 4)])];
    expect(plan(pod('p', 10, 4), two, [budget('kept', 0)])).toBe('b: free');
    expect(plan(pod('p', 10, 4), [two[0] as NodeInfo], [budget('kept', 0)])).toBe('a: kept');
  });

  test('a pod that refuses others goes when that helps', () => {
    const labelSelector = { matchLabels: { app: 'p' } };
    const terms = [{ topologyKey: 'kubernetes.io/hostname', labelSelector }];
    const podAntiAffinity = { requiredDuringSchedulingIgnoredDuringExecution: terms };
    const alone = pod('alone', 1, 1, { affinity: { podAntiAffinity } });
    expect(plan(pod('p', 10, 1), [node('a', [alone, pod('other', 1, 1)])])).toBe('a: alone');
  });

  test('room that was made for a pod is kept for it', () => {
    const waiting = pod('waiting', 10, 4);
    const nominator = new Nominator();
    nominator.nominate(waiting, 'a');
    const nodes = [node('a', [])];
    expect(plan(pod('p', 5, 1), nodes, [], nominator)).toContain('0/1 nodes are available');
    expect(plan(pod('p', 20, 1), nodes, [], nominator)).toBe('fits on a');
    expect(plan(waiting, nodes, [], nominator)).toBe('fits on a');
  });

  test('it waits for those that are going already', () => {
    const going = pod('going', 1, 4);
    going.metadata.deletionTimestamp = '2026-01-01T00:01:00Z';
    const subject = pod('p', 10, 4);
    subject.status = { nominatedNodeName: 'a' };
    expect(plan(subject, [node('a', [going]), node('b', [pod('other', 1, 4)])])).toBe(
      'not eligible due to a terminating pod on the nominated node.',
    );
  });
});
