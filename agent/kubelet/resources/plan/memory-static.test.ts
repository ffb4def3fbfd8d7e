/** What must hold is upstream's (memorymanager/policy_static_test.go). */
import { describe, expect, test } from '@jest/globals';
import type { Container, Pod } from '../../../../proto/api/core-v1.ts';
import { containerOf, machineOf, podOf } from '../testdata/machines.ts';
import { readMemoryCheckpoint, writeMemoryCheckpoint } from './memory-checkpoint.ts';
import {
  assignMemory,
  memoryHints,
  memoryNodesOf,
  memoryOfNodes,
  releaseMemory,
  type MemoryPolicy,
  type MemoryState,
} from './memory-static.ts';
import { maskOf, nodesOf } from './numa-mask.ts';

/** Two nodes of 1,000 bytes; the first keeps 200. */
const { nodes } = machineOf({ sockets: 2, nodesPerSocket: 1, coresPerNode: 1, threads: 1 });
const policy: MemoryPolicy = { nodes, reserved: new Map([[0, new Map([['memory', 200]])]]) };
const c = (name: string, memory: string, sidecar = false): Container =>
  containerOf(name, { cpu: '1', memory }, sidecar);

function give(state: MemoryState, pod: Pod, hint?: readonly number[]): MemoryState {
  const mask = hint === undefined ? undefined : maskOf(hint);
  return [...(pod.spec.initContainers ?? []), ...pod.spec.containers].reduce(
    (now, container) => assignMemory(policy, now, pod, container, mask),
    state,
  );
}
const free = (state: MemoryState): number[] =>
  [...memoryOfNodes(policy, state).values()].map(node => node.byResource.get('memory')?.free ?? 0);
const nodesHeld = (state: MemoryState, uid: string, name: string): number[] =>
  nodesOf(memoryNodesOf(state, uid, name) ?? 0);

describe('assignMemory()', () => {
  test('binds to one node where it fits, to both where it must', () => {
    const one = give(new Map(), podOf('a', [c('x', '500')]));
    expect([nodesHeld(one, 'a', 'x'), free(one)]).toEqual([[0], [300, 1000]]);
    const two = give(one, podOf('b', [c('x', '500')]));
    expect([nodesHeld(two, 'b', 'x'), free(two)]).toEqual([[1], [300, 500]]);
    expect(free(releaseMemory(two, 'a'))).toEqual([800, 500]);
    const wide = give(new Map(), podOf('a', [c('x', '1100')]));
    expect([nodesHeld(wide, 'a', 'x'), free(wide)]).toEqual([
      [0, 1],
      [0, 700],
    ]);
  });

  test('follows the hint, and widens it where it is too narrow', () => {
    expect(nodesHeld(give(new Map(), podOf('a', [c('x', '500')]), [1]), 'a', 'x')).toEqual([1]);
    expect(nodesHeld(give(new Map(), podOf('a', [c('x', '900')]), [0]), 'a', 'x')).toEqual([0, 1]);
  });

  test('a node in use for itself joins no group', () => {
    const one = give(new Map(), podOf('a', [c('x', '100')]));
    expect(() => give(one, podOf('b', [c('x', '1100')]))).toThrow(
      '[memorymanager] failed to get the default NUMA affinity, no NUMA nodes with enough memory is available',
    );
    const group = give(new Map(), podOf('a', [c('x', '1100')]));
    expect(nodesHeld(give(group, podOf('b', [c('x', '100')])), 'b', 'x')).toEqual([0, 1]);
  });

  test('pods that are not Guaranteed have none of their own', () => {
    const pod = podOf('a', [containerOf('x', { memory: '100' })]);
    expect(give(new Map(), pod).size).toBe(0);
  });

  test('what init containers had serves those after them; sidecars keep theirs', () => {
    const pod = podOf('a', [c('main', '300')], [c('first', '400'), c('side', '100', true), c('second', '200')]);
    const state = give(new Map(), pod);
    expect(free(state)).toEqual([400, 1000]);
    expect(state.get('a')?.get('main')).toEqual([{ nodes: maskOf([0]), resource: 'memory', bytes: 300 }]);
    expect(give(state, pod)).toBe(state);
  });
});

test('memoryHints() prefers the fewest nodes that the machine needs for it', () => {
  const hintsOf = (memory: string) => {
    const pod = podOf('a', [c('x', memory)]);
    return memoryHints(policy, new Map(), pod, pod.spec.containers[0])
      .get('memory')
      ?.map(({ nodes: mask = 0, preferred }) => `${nodesOf(mask).join('')}${preferred ? '+' : ''}`);
  };
  expect(hintsOf('500')).toEqual(['0+', '1+', '01']);
  expect(hintsOf('900')).toEqual(['1+', '01']);
  expect(hintsOf('1500')).toEqual(['01+']);
  expect(hintsOf('5000')).toEqual([]);
});

test("a remembered state is read as it was written, in upstream's form, and knows its machine", () => {
  const state = give(new Map(), podOf('a', [c('x', '500')]));
  const text = writeMemoryCheckpoint('Static', policy, state);
  expect(JSON.parse(text)).toMatchObject({
    policyName: 'Static',
    machineState: {
      0: {
        numberOfAssignments: 1,
        memoryMap: { memory: { total: 1000, systemReserved: 200, allocatable: 800, reserved: 500, free: 300 } },
        cells: [0],
      },
    },
    entries: { a: { x: [{ numaAffinity: [0], type: 'memory', size: 500 }] } },
  });
  expect(readMemoryCheckpoint(text, policy)).toEqual({ policyName: 'Static', state, sameMachine: true });
  expect(readMemoryCheckpoint(text, { ...policy, reserved: new Map() }).sameMachine).toBe(false);
});
