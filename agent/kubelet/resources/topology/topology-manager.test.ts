import { describe, expect, test } from '@jest/globals';
import type { Container, Pod } from '../../../../proto/api/core-v1.ts';
import { AdmissionFailure, NotEnoughError } from '../plan/admission-failure.ts';
import { maskOf, nodesOf, type NumaMask } from '../plan/numa-mask.ts';
import type { TopologyHints, TopologyPolicy } from '../plan/topology-policy.ts';
import type { ResourceGiver } from '../resource-giver.ts';
import { containerOf, machineOf, podOf } from '../testdata/machines.ts';
import { MetricsRegistry } from '../../../../machinery/process/metrics.ts';
import { ResourceMetrics } from '../resource-metrics.ts';
import { TopologyManager } from './topology-manager.ts';

const registry = new MetricsRegistry();

const { nodes } = machineOf({ sockets: 2, nodesPerSocket: 1, coresPerNode: 1, threads: 1 });
const pod = podOf('u', [containerOf('x', {}), containerOf('y', {})], [containerOf('i', {})]);

function giverOf(hintNodes: readonly number[] | undefined, fails?: Error) {
  const log: string[] = [];
  const giver: ResourceGiver = {
    hints: (_: Pod, container?: Container): TopologyHints => {
      log.push(`hints ${container?.name ?? 'pod'}`);
      return new Map([['r', hintNodes?.map(node => ({ nodes: maskOf([node]), preferred: true }))]]);
    },
    give: async (_: Pod, { name }: Container, mask: NumaMask | undefined) => {
      if (fails !== undefined && name === 'y') throw fails;
      log.push(`${name}${mask === undefined ? '' : ` on ${nodesOf(mask).join()}`}`);
    },
    release: uid => void log.push(`release ${uid}`),
    holders: () => ['u'],
  };
  return { giver, log };
}

function admit(policy: Partial<TopologyPolicy>, ...givers: ResourceGiver[]) {
  const whole: TopologyPolicy = { name: 'none', scope: 'container', preferClosest: false, ...policy };
  const manager = new TopologyManager({ policy: whole, nodes, givers, metrics: new ResourceMetrics(registry) });
  return manager.admit(pod, new AbortController().signal);
}

describe('admit()', () => {
  test('policy none gives to each container, init containers first, and asks nobody where', async () => {
    const { giver, log } = giverOf([0]);
    expect(await admit({}, giver)).toBeUndefined();
    expect(log).toEqual(['i', 'x', 'y']);
  });

  test('scope container asks for each, scope pod once', async () => {
    const one = giverOf([1]);
    await admit({ name: 'restricted' }, one.giver);
    expect(one.log).toEqual(['hints i', 'i on 1', 'hints x', 'x on 1', 'hints y', 'y on 1']);
    const whole = giverOf([1]);
    await admit({ name: 'restricted', scope: 'pod' }, whole.giver);
    expect(whole.log).toEqual(['hints pod', 'i on 1', 'x on 1', 'y on 1']);
  });

  test("what cannot be brought together is refused in upstream's words, and all is taken back", async () => {
    const [left, right] = [giverOf([0]), giverOf([1])];
    expect(await admit({ name: 'restricted' }, left.giver, right.giver)).toEqual({
      reason: 'TopologyAffinityError',
      message: 'Pod was rejected: Resources cannot be allocated with Topology locality',
    });
    expect(left.log.at(-1)).toBe('release u');
  });

  test.each([
    [
      new NotEnoughError('too few'),
      {
        reason: 'UnexpectedAdmissionError',
        message: 'Pod was rejected: Allocate failed due to too few, which is unexpected',
      },
    ],
    [
      new AdmissionFailure('SMTAlignmentError', 'SMT Alignment Error: x'),
      { reason: 'SMTAlignmentError', message: 'Pod was rejected: SMT Alignment Error: x' },
    ],
  ])('%s becomes a verdict', async (error, want) => {
    const { giver, log } = giverOf(undefined, error);
    expect(await admit({}, giver)).toEqual(want);
    expect(log).toEqual(['i', 'x', 'release u']);
  });

  test('anything else is no verdict: it is tried again, with what was given', async () => {
    const { giver, log } = giverOf(undefined, new Error('disk full'));
    await expect(admit({}, giver)).rejects.toThrow('disk full');
    expect(log).toEqual(['i', 'x']);
  });
});

test('releaseAllBut() takes back what unknown pods have', () => {
  const { giver, log } = giverOf(undefined);
  const policy = { name: 'none', scope: 'container', preferClosest: false } as const;
  const manager = new TopologyManager({ policy, nodes, givers: [giver], metrics: new ResourceMetrics(registry) });
  manager.releaseAllBut(uid => uid === 'u');
  expect(log).toEqual([]);
  manager.releaseAllBut(() => false);
  expect(log).toEqual(['release u']);
});
