import { expect, test } from '@jest/globals';
import type { Pod } from '../../../proto/api/core-v1.ts';
import { placed } from '../testdata/plugins-alone.ts';
import { CycleState } from './cycle-state.ts';
import { enoughNodes, findNodes } from './find-nodes.ts';
import type { Plugin } from './framework.ts';
import { NodeInfo } from './node-info.ts';
import { Nominator } from './nominator.ts';
import { snapshotOf } from './snapshot.ts';

test.each([
  [1, 0, 1],
  [99, 0, 99],
  [100, 0, 100],
  [200, 0, 100],
  [1_000, 0, 420],
  [5_000, 0, 500],
  [10_000, 0, 500],
  [1_000, 30, 300],
  [1_000, 1, 100],
  [1_000, 100, 1_000],
])('enoughNodes(): of %i nodes at %i per cent %i', (nodes, percentage, enough) => {
  expect(enoughNodes(nodes, percentage)).toBe(enough);
});

const pod: Pod = { metadata: { name: 'p', uid: 'p' }, spec: { containers: [] } };
const nodes = ['a', 'b', 'c', 'd'].map(name => new NodeInfo({ metadata: { name }, spec: {} }));

function found(
  more: Partial<Parameters<typeof findNodes>[0]>,
  ...plugins: Plugin[]
): { names: string; looked: number } {
  const question = { pod, snapshot: snapshotOf(nodes), nominator: new Nominator(), tieBreaker: () => 0 };
  const { feasible, looked } = findNodes({ ...question, plugins: placed(...plugins), ...more }, new CycleState());
  return { names: feasible.map(({ name }) => name).join(''), looked };
}

test('findNodes() begins where it is told to, goes round, and ends when there are enough', () => {
  const notB: Plugin = {
    name: 'NotB',
    filter: (_state, _pod, { name }) => (name === 'b' ? [{ reason: 'not b', unresolvable: true }] : undefined),
  };
  expect(found({ start: 2 }, notB)).toEqual({ names: 'cda', looked: 4 });
  expect(found({ start: 1, enough: 1 }, notB)).toEqual({ names: 'c', looked: 2 });
});

test('findNodes() looks at the nominated node alone while the pod fits there', () => {
  const nominated = { ...pod, status: { nominatedNodeName: 'c' } };
  expect(found({ pod: nominated })).toEqual({ names: 'c', looked: 1 });
  const notC: Plugin = {
    name: 'NotC',
    filter: (_state, _pod, { name }) => (name === 'c' ? [{ reason: 'not c', unresolvable: true }] : undefined),
  };
  expect(found({ pod: nominated }, notC)).toEqual({ names: 'abd', looked: 4 });
});

test('findNodes() asks of a pod with nominated others both with and without them', () => {
  const one: Plugin = {
    name: 'One',
    filter: (_state, _pod, { pods }) => (pods.size > 0 ? [{ reason: 'full', unresolvable: false }] : undefined),
  };
  const nominator = new Nominator();
  nominator.nominate({ metadata: { name: 'q', uid: 'q' }, spec: { priority: 5, containers: [] } }, 'a');
  expect(found({ nominator }, one).names).toBe('bcd');
  const urgent: Pod = { ...pod, spec: { priority: 9, containers: [] } };
  expect(found({ nominator, pod: urgent }, one).names).toBe('abcd');
});

test('findNodes() leaves out what PreFilter does, and does not ask a plugin that skips', () => {
  const some: Plugin = { name: 'Some', preFilter: () => ({ nodeNames: new Set(['b', 'd', 'x']) }) };
  const more: Plugin = { name: 'More', preFilter: () => ({ nodeNames: new Set(['d', 'a']) }) };
  const skips: Plugin = {
    name: 'Skips',
    preFilter: () => 'skip',
    filter: () => [{ reason: 'was asked', unresolvable: true }],
  };
  expect(found({}, some, skips).names).toBe('bd');
  expect(found({}, some, more, skips)).toEqual({ names: 'd', looked: 1 });
});

test('findNodes() says in upstream’s words which plugins left no node, or left these out', () => {
  const only = (name: string, ...nodeNames: string[]): Plugin => ({
    name,
    preFilter: () => ({ nodeNames: new Set(nodeNames) }),
  });
  const full: Plugin = { name: 'Full', filter: () => [{ reason: 'full', unresolvable: false }] };
  const reasons = (...plugins: Plugin[]): unknown => {
    const question = { pod, snapshot: snapshotOf(nodes), nominator: new Nominator(), tieBreaker: () => 0 };
    const { byNode } = findNodes({ ...question, plugins: placed(...plugins) }, new CycleState()).diagnosis();
    return ['a', 'b'].map(name =>
      byNode
        .get(name)
        ?.map(({ reason }) => reason)
        .join(),
    );
  };
  const none = "node(s) didn't satisfy plugin None";
  expect(reasons(only('None'))).toEqual([none, none]);
  const apart = "node(s) didn't satisfy plugin(s) [A B] simultaneously";
  expect(reasons(only('B', 'b'), only('A', 'a'))).toEqual([apart, apart]);
  const left = "node(s) didn't satisfy plugin(s) [A B]";
  expect(reasons(only('B', 'a', 'c'), only('A', 'a'), full)).toEqual(['full', left]);
});
