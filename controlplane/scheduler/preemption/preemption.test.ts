import { describe, expect, test } from '@jest/globals';
import { podDisruptionBudgets } from '../../../machinery/client/resource.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { PodDisruptionBudget } from '../../../proto/api/policy-v1.ts';
import { createProfiles } from '../create-profiles.ts';
import type { Extender, Victims } from '../framework/extender.ts';
import type { Plugin } from '../framework/framework.ts';
import type { Handle } from '../framework/handle.ts';
import { NodeInfo } from '../framework/node-info.ts';
import { Nominator } from '../framework/nominator.ts';
import type { PluginsByPoint } from '../framework/profile.ts';
import { snapshotOf } from '../framework/snapshot.ts';
import { DisruptionBudgets } from '../plan/disruption-budgets.ts';
import { defaultPreemption } from '../plugins/default-preemption.ts';
import { defaultProfile } from '../plugins/default-profile.ts';
import { pluginRegistry } from '../plugins/registry.ts';
import { decideNode, handleAlone } from '../testdata/plugins-alone.ts';
import { DryRunMemory } from './dry-run-memory.ts';
import { findCandidates } from './find-candidates.ts';

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

interface World {
  readonly budgets?: PodDisruptionBudget[];
  readonly nominator?: Nominator;
  readonly extenders?: readonly Extender[];
  readonly args?: object;
  readonly offset?: number;
}

/** Where room is made and who goes; or what the pod is told, or that it fits. */
async function plan(subject: Pod, nodes: NodeInfo[], world: World = {}): Promise<string> {
  const { budgets = [], nominator = new Nominator(), extenders = [], args, offset = 0 } = world;
  const snapshot = snapshotOf(nodes);
  const alone = handleAlone();
  const lister = { list: () => budgets };
  const informers = {
    informer: (kind: unknown) => (kind === podDisruptionBudgets ? { lister } : alone.informers.informer(kind as never)),
  };
  const logger = { warn: () => undefined };
  const shared = { ...alone, informers, nominator, extenders, snapshot: () => snapshot, logger };
  let handle = alone;
  const factory = (given: unknown, own: Handle): Plugin => defaultPreemption(given, (handle = own), () => offset);
  const registry = new Map([...pluginRegistry, ['DefaultPreemption', factory]]);
  const spec = { ...defaultProfile, schedulerName: 'a', args: { DefaultPreemption: args } };
  const plugins = createProfiles([spec], registry, shared as never).get('a')?.plugins as PluginsByPoint;
  const decision = decideNode(plugins, subject, snapshot, () => 0, nominator);
  if (decision.kind === 'fits') return `fits on ${decision.nodeName}`;
  const { state, diagnosis } = decision;
  const result = await plugins.postFilter[0]?.plugin.postFilter?.(state, subject, diagnosis);
  if (result?.nominatedNodeName === undefined) return result?.message ?? '';
  if (result.nominatedNodeName === '') return `hopes no more: ${result.message}`;
  // Dry runs leave nothing behind: whoever asks again is told the same.
  const there = nodes.filter(({ name }) => name === result.nominatedNodeName);
  const search = { handle, pod: subject, state, budgets: new DisruptionBudgets(budgets), offset: 0, enough: 1 };
  const [best] = findCandidates({ ...search, nodes: there }).candidates;
  if (extenders.length === 0) expect(best?.victims).toHaveLength(result.victims ?? 0);
  return `${best?.nodeName}: ${best?.victims.map(({ metadata }) => metadata.name).join(' ')}`;
}

const budget = (
  app: string,
  disruptionsAllowed: number,
  disruptedPods?: Record<string, string>,
): PodDisruptionBudget => ({
  metadata: { name: app, namespace: 'default' },
  spec: { selector: { matchLabels: { app } } },
  status: { disruptionsAllowed, disruptedPods, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1 },
});

const full = (name: string, ...pods: Pod[]): NodeInfo => node(name, pods);

describe('DefaultPreemption', () => {
  test('as few and as unimportant pods as possible go', async () => {
    const nodes = [node('a', [pod('low', 1, 1), pod('mid', 5, 2), pod('high', 50, 1)])];
    expect(await plan(pod('p', 10, 1), nodes)).toBe('a: low');
    expect(await plan(pod('p', 10, 2), nodes)).toBe('a: mid');
    expect(await plan(pod('p', 10, 3), nodes)).toBe('a: mid low');
  });

  test('nobody goes if that is not enough, or would not help, and the pod is told why', async () => {
    const nodes = [node('a', [pod('high', 50, 3), pod('low', 1, 1)]), node('b', [pod('high', 50, 4)])];
    expect(await plan(pod('p', 10, 2), nodes)).toBe(
      'preemption: 0/2 nodes are available: 1 Insufficient cpu, 1 No preemption victims found for incoming pod.',
    );
    expect(await plan(pod('p', 10, 2, { nodeSelector: { x: 'y' } }), nodes)).toBe(
      'preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.',
    );
    expect(await plan(pod('p', 10, 1, { preemptionPolicy: 'Never' }), [full('a', pod('low', 1, 4))])).toBe(
      'preemption: not eligible due to preemptionPolicy=Never.',
    );
  });

  test('of equals the younger goes', async () => {
    expect(await plan(pod('p', 10, 2), [node('a', [pod('old', 1, 2), pod('young', 1, 2)])])).toBe('a: young');
  });

  test('the node is chosen where it hurts least', async () => {
    const p = pod('p', 10, 4);
    // The most important of those that go, ...
    expect(await plan(p, [full('a', pod('m', 5, 4)), full('b', pod('l', 1, 4))])).toBe('b: l');
    // ... then the sum of their importance, ...
    const sums = [full('a', pod('x', 5, 2), pod('y', 4, 2)), full('b', pod('z', 5, 2), pod('w', 1, 2))];
    expect(await plan(p, sums)).toBe('b: z w');
    // ... which of negative priorities is less with fewer pods, ...
    const negative = [full('a', pod('x', -5, 2), pod('y', -5, 2)), full('b', pod('z', -5, 4))];
    expect(await plan(p, negative)).toBe('b: z');
    // ... and at last the one that began last.
    expect(await plan(p, [full('a', pod('old', 1, 4)), full('b', pod('young', 1, 4))])).toBe('b: young');
    // All the same: the first that was found.
    const twins = ['a', 'b', 'c'].map(name => full(name, { ...pod(name, 1, 4), status: {} }));
    expect(await plan(p, twins)).toBe('a: a');
    expect(await plan(p, twins, { offset: 1 })).toBe('b: b');
  });

  test('so many candidates as the arguments say are enough', async () => {
    const nodes = ['a', 'b', 'c', 'd'].map((name, i) => full(name, pod(name, 9 - i, 4)));
    const p = pod('p', 10, 4);
    expect(await plan(p, nodes)).toBe('d: d');
    expect(await plan(p, nodes, { args: { minCandidateNodesPercentage: 50, minCandidateNodesAbsolute: 0 } })).toBe(
      'b: b',
    );
    expect(await plan(p, nodes, { args: { minCandidateNodesPercentage: 0, minCandidateNodesAbsolute: 3 } })).toBe(
      'c: c',
    );
    // Unless none of them leaves the budgets as they are.
    const one = { minCandidateNodesPercentage: 0, minCandidateNodesAbsolute: 1 };
    expect(await plan(p, nodes, { args: one, budgets: [budget('a', 0), budget('b', 0)] })).toBe('c: c');
  });

  test('a budget without anything left is broken last', async () => {
    const nodes = [node('a', [pod('kept', 1, 2), pod('free', 2, 2)])];
    expect(await plan(pod('p', 10, 2), nodes, { budgets: [budget('kept', 0)] })).toBe('a: free');
    expect(await plan(pod('p', 10, 2), nodes, { budgets: [budget('kept', 1)] })).toBe('a: kept');
    // Its going was granted before.
    const granted = budget('kept', 0, { kept: '2026-01-01T00:00:00Z' });
    expect(await plan(pod('p', 10, 2), nodes, { budgets: [granted] })).toBe('a: kept');
    const two = [node('a', [pod('kept', 1, 4)]), node('b', [pod('free', 5, 4)])];
    expect(await plan(pod('p', 10, 4), two, { budgets: [budget('kept', 0)] })).toBe('b: free');
    expect(await plan(pod('p', 10, 4), [two[0] as NodeInfo], { budgets: [budget('kept', 0)] })).toBe('a: kept');
  });

  test('a pod that refuses others goes when that helps', async () => {
    const labelSelector = { matchLabels: { app: 'p' } };
    const terms = [{ topologyKey: 'kubernetes.io/hostname', labelSelector }];
    const podAntiAffinity = { requiredDuringSchedulingIgnoredDuringExecution: terms };
    const alone = pod('alone', 1, 1, { affinity: { podAntiAffinity } });
    expect(await plan(pod('p', 10, 1), [node('a', [alone, pod('other', 1, 1)])])).toBe('a: alone');
  });

  test('pods go where they crowd a zone that others are to share', async () => {
    const spread = {
      maxSkew: 1,
      topologyKey: 'zone',
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector: { matchLabels: { app: 'web' } },
    };
    const web = (name: string): Pod => {
      const one = pod(name, 1, 1);
      return { ...one, metadata: { ...one.metadata, labels: { app: 'web' } } };
    };
    const subject = web('p');
    const crowded = node('a', [web('w1'), web('w2')], { zone: 'x' });
    const empty = node('b', [pod('big', 50, 4)], { zone: 'y' });
    const important = { ...subject, spec: { ...subject.spec, priority: 10, topologySpreadConstraints: [spread] } };
    expect(await plan(important, [crowded, empty])).toBe('a: w1 w2');
  });

  test('room that was made for a pod is kept for it', async () => {
    const waiting = pod('waiting', 10, 4);
    const nominator = new Nominator();
    nominator.nominate(waiting, 'a');
    const nodes = [node('a', [])];
    expect(await plan(pod('p', 5, 1), nodes, { nominator })).toContain('0/1 nodes are available');
    expect(await plan(pod('p', 20, 1), nodes, { nominator })).toBe('fits on a');
    expect(await plan(waiting, nodes, { nominator })).toBe('fits on a');
  });

  test('it waits for those that are going for it already, not for others', async () => {
    const going = pod('going', 1, 4);
    going.metadata.deletionTimestamp = '2026-01-01T00:01:00Z';
    const subject = pod('p', 10, 4);
    subject.status = { nominatedNodeName: 'a' };
    const nodes = [node('a', [going]), node('b', [pod('other', 0, 4)])];
    expect(await plan(subject, nodes)).toBe('b: other');
    const condition = { type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler' };
    going.status = { ...going.status, conditions: [condition] };
    expect(await plan(subject, nodes)).toBe('preemption: not eligible due to a terminating pod on the nominated node.');
  });

  test('room that is of no use any more is given up, also where it was never written', async () => {
    const nodes = [node('a', [pod('other', 50, 4)])];
    const subject = pod('p', 10, 4);
    expect(await plan(subject, nodes)).toMatch(/^preemption: 0\/1 nodes are available/);
    const nominator = new Nominator();
    nominator.nominate(subject, 'a');
    expect(await plan(subject, nodes, { nominator })).toMatch(/^hopes no more: preemption: 0\/1 nodes/);
    subject.status = { nominatedNodeName: 'a' };
    expect(await plan(subject, nodes)).toMatch(/^hopes no more: preemption: 0\/1 nodes/);
  });

  test('extenders that care take candidates away, and one that may be ignored does not', async () => {
    const nodes = [full('a', pod('m', 5, 4)), full('b', pod('l', 1, 4))];
    const extender = (
      answer: (victims: ReadonlyMap<string, Victims>) => Iterable<[string, Victims]>,
      isIgnorable = false,
    ) =>
      ({
        name: 'x',
        isIgnorable,
        canPreempt: true,
        isInterested: () => true,
        preempt: (_pod: Pod, victims: ReadonlyMap<string, Victims>) => Promise.resolve(new Map(answer(victims))),
      }) as unknown as Extender;
    const onlyA = extender(all => [...all].filter(([name]) => name === 'a'));
    const fails = (): never => {
      throw new Error('broken');
    };
    const p = pod('p', 10, 4);
    expect(await plan(p, nodes, { extenders: [onlyA] })).toBe('a: m');
    expect(await plan(p, nodes, { extenders: [extender(fails, true), onlyA] })).toBe('a: m');
    expect(await plan(p, nodes, { extenders: [extender(() => [])] })).toBe(
      'preemption: no candidate node for preemption',
    );
    await expect(plan(p, nodes, { extenders: [extender(fails)] })).rejects.toThrow('broken');
    const nobody = extender(() => [['a', { pods: [], violations: 0 }]]);
    await expect(plan(p, nodes, { extenders: [nobody] })).rejects.toThrow(
      'expected at least one victim pod on node "a"',
    );
  });
});

describe('DryRunMemory', () => {
  const like = (priority: number, cpu: number, more: Partial<Pod['spec']> = {}): Pod => pod('p', priority, cpu, more);
  const memory = new DryRunMemory();
  const local = ['NodeResourcesFit', 'NodePorts'];
  const candidate = { nodeName: 'a', victims: [like(0, 1)], violations: 0 };

  test('knows what was found for a pod like it, until the node or its nominations change', () => {
    const a = node('a', []);
    const nobody = new Map<string, Pod>();
    memory.of(like(1, 1), local, [])?.keep(a, nobody, candidate);
    const find = (subject: Pod, nominated = nobody, budgets: PodDisruptionBudget[] = []) =>
      memory.of(subject, local, budgets)?.find(a, nominated);
    expect(find(like(1, 1))).toBe(candidate);
    expect(find(like(1, 1), new Map([['x', like(5, 1)]]))).toBeUndefined();
    expect(find(like(2, 1))).toBeUndefined();
    expect(find(like(1, 1))).toBe(candidate);
    expect(find(like(1, 1, { nodeSelector: { x: 'y' } }))).toBeUndefined();
    expect(find(like(1, 1), nobody, [budget('x', 0)])).toBeUndefined();
    a.addPod(like(0, 1));
    expect(find(like(1, 1))).toBeUndefined();
  });

  test('knows nothing where other nodes, volumes or plugins of others decide, too', () => {
    expect(memory.of(like(1, 1), [...local, 'InterPodAffinity'], [])).toBeUndefined();
    expect(memory.of(like(1, 1), [...local, 'Mine'], [])).toBeUndefined();
  });
});
