/** What must hold is upstream's (topologymanager/policy_test.go). */
import { describe, expect, test } from '@jest/globals';
import { machineOf } from '../testdata/machines.ts';
import { combinations, maskOf, nodesOf } from './numa-mask.ts';
import {
  hintsFor,
  mergeHints,
  type TopologyHint,
  type TopologyHints,
  type TopologyPolicyName,
} from './topology-policy.ts';

const two = machineOf({ sockets: 2, nodesPerSocket: 1, coresPerNode: 1, threads: 1 }).nodes;
const four = machineOf({ sockets: 4, nodesPerSocket: 1, coresPerNode: 1, threads: 1 }).nodes;

const hint = (nodes: readonly number[] | undefined, preferred = true): TopologyHint => ({
  nodes: nodes === undefined ? undefined : maskOf(nodes),
  preferred,
});
const said = (...lists: (readonly TopologyHint[] | undefined)[]): TopologyHints =>
  new Map(lists.map((list, index) => [`r${index}`, list]));

function merge(name: TopologyPolicyName, hints: readonly TopologyHints[], machine = two, preferClosest = false) {
  const { admit, nodes } = mergeHints({ name, preferClosest }, machine, hints);
  return { admit, nodes: nodes === undefined ? undefined : nodesOf(nodes) };
}

describe('mergeHints()', () => {
  const either = [hint([0]), hint([1]), hint([0, 1], false)];
  test.each<[string, readonly TopologyHints[], readonly number[], boolean]>([
    ['nobody minds: all nodes', [new Map(), said(undefined)], [0, 1], true],
    ['one of two that both will do for', [said(either)], [0], true],
    ['the one that both resources can have', [said(either), said([hint([1]), hint([0, 1], false)])], [1], true],
    ['resources that only lie apart', [said([hint([0])]), said([hint([1])])], [0, 1], false],
    ['a resource that cannot be had', [said(either), said([])], [0], false],
    ['what needs both nodes anyway', [said([hint([0, 1])])], [0, 1], true],
    [
      'one good, one that would have been better elsewhere',
      [said([hint([0], true)]), said([hint([0], false)])],
      [0],
      false,
    ],
  ])('%s', (_, hints, nodes, preferred) => {
    expect(merge('best-effort', hints)).toEqual({ admit: true, nodes });
    expect(merge('restricted', hints).admit).toBe(preferred);
  });

  test.each<[string, readonly number[][], readonly number[]]>([
    ['the only one of two', [[0, 3]], [0, 3]],
    [
      'the lower one of two',
      [
        [1, 2],
        [2, 3],
      ],
      [1, 2],
    ],
    [
      'two rather than three',
      [
        [1, 2, 3],
        [1, 2],
        [1, 3],
        [2, 3],
      ],
      [1, 2],
    ],
    [
      'three where one resource needs three',
      [
        [0, 1, 2],
        [1, 2, 3],
      ],
      [0, 1, 2],
    ],
  ])('of what is good for nobody, as many nodes as the neediest resource takes: %s', (_, second, want) => {
    const first = [hint([0, 1, 2, 3], false), hint([0, 1], false)];
    const others = second.map(one => hint(one, false));
    expect(merge('best-effort', [said(first), said(others)], four).nodes).toEqual(want);
  });

  test('single-numa-node takes only what lies on one', () => {
    expect(merge('single-numa-node', [said([hint([0, 1])])]).admit).toBe(false);
    expect(merge('single-numa-node', [said(either)])).toEqual({ admit: true, nodes: [0] });
    expect(merge('single-numa-node', [said(undefined)])).toEqual({ admit: true, nodes: undefined });
  });

  test('none asks nobody', () => {
    expect(merge('none', [said([])])).toEqual({ admit: true, nodes: undefined });
  });

  test('prefer-closest-numa-nodes takes neighbours where lower numbers lie apart', () => {
    const pairs = [hint([0, 3]), hint([1, 2])];
    expect(merge('best-effort', [said(pairs)], four).nodes).toEqual([1, 2]);
    const apart = [hint([0, 2]), hint([1, 2])];
    expect(merge('best-effort', [said(apart)], four).nodes).toEqual([0, 2]);
    expect(merge('best-effort', [said(apart)], four, true).nodes).toEqual([1, 2]);
  });
});

test('combinations() begin with single nodes', () => {
  expect(combinations([0, 1, 3]).map(nodesOf)).toEqual([[0], [1], [3], [0, 1], [0, 3], [1, 3], [0, 1, 3]]);
});

test('hintsFor() prefers as few nodes as an empty machine needs', () => {
  const free = new Map([
    [maskOf([0]), 1],
    [maskOf([1]), 2],
    [maskOf([0, 1]), 3],
  ]);
  const hints = (amount: number) =>
    hintsFor(
      two,
      amount,
      mask => nodesOf(mask).length * 2,
      mask => free.get(mask),
    );
  expect(hints(2)).toEqual([hint([1]), hint([0, 1], false)]);
  expect(hints(3)).toEqual([hint([0, 1])]);
  expect(hints(4)).toEqual([]);
});
