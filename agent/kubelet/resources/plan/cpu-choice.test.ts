/** What must hold is upstream's (cpu_assignment_test.go); the machines are ours. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { cpuSet, formatCpuSet, isWithin, parseCpuSet } from '../../../../machinery/meta/cpu-set.ts';
import { machineOf } from '../testdata/machines.ts';
import { chooseCpus, type CpuChoiceOptions } from './cpu-choice.ts';

/** 4 cores of 2 threads: 0,4 1,5 2,6 3,7 */
const singleSocket = machineOf({ sockets: 1, nodesPerSocket: 1, coresPerNode: 4, threads: 2 }).cpus;
/** Cores 0 to 2 and 3 to 5; threads 0,6 1,7 ... */
const dualSocket = machineOf({ sockets: 2, nodesPerSocket: 1, coresPerNode: 3, threads: 2 }).cpus;
/** One socket of two nodes with two caches each, no second threads: 0-3, 4-7, 8-11, 12-15. */
const caches = machineOf({ sockets: 1, nodesPerSocket: 2, coresPerNode: 8, threads: 1, cachesPerNode: 2 }).cpus;
/** Four nodes of four processors. */
const quad = machineOf({ sockets: 2, nodesPerSocket: 2, coresPerNode: 4, threads: 1 }).cpus;

const packed: CpuChoiceOptions = { distributeAcrossNuma: false, alignByUncoreCache: false, groupSize: 1 };
const spread: CpuChoiceOptions = { ...packed, distributeAcrossNuma: true };
const byCache: CpuChoiceOptions = { ...packed, alignByUncoreCache: true };

describe('chooseCpus() packs', () => {
  test.each([
    ['one of a whole machine', singleSocket, '0-7', 1, '0'],
    ['a core before two threads of two', singleSocket, '0-7', 2, '0,4'],
    ['what is broken before what is whole', singleSocket, '1-7', 1, '4'],
    ['whole cores first, then the broken one', singleSocket, '1-7', 3, '1,4-5'],
    ['all', singleSocket, '0-7', 8, '0-7'],
    ['a socket that is whole', dualSocket, '0-11', 6, '0-2,6-8'],
    ['the other socket where the first is broken', dualSocket, '1-11', 6, '3-5,9-11'],
    ['a socket and a core of the other', dualSocket, '0-11', 8, '0-3,6-9'],
    ['the fuller socket for a core', dualSocket, '2-11', 2, '2,8'],
  ])('%s', (_, machine, available, count, want) => {
    expect(formatCpuSet(chooseCpus(machine, parseCpuSet(available), count, packed))).toBe(want);
  });
});

describe('chooseCpus() distributes over NUMA nodes', () => {
  test.each([
    ['not what fits on one', '0-15', 4, 1, '0-3'],
    ['evenly over two', '0-15', 6, 1, '0-2,4-6'],
    ['evenly over three', '0-15', 9, 1, '0-2,4-6,8-10'],
    ['over the two that leave the machine most balanced', '0-7,9-15', 6, 1, '0-2,4-6'],
    ['a remainder too', '0-15', 5, 1, '0-2,4-5'],
  ])('%s', (_, available, count, groupSize, want) => {
    const chosen = chooseCpus(quad, parseCpuSet(available), count, { ...spread, groupSize });
    expect(formatCpuSet(chosen)).toBe(want);
  });

  test('packs what cannot be handed out in whole cores', () => {
    expect(formatCpuSet(chooseCpus(dualSocket, parseCpuSet('0-11'), 7, { ...spread, groupSize: 2 }))).toBe('0-3,6-8');
  });
});

describe('chooseCpus() keeps to a last level cache', () => {
  test.each([
    ['that has room, though a fuller one would serve', '2-15', 4, '4-7'],
    ['that is broken, for what fits in it', '2-15', 2, '2-3'],
    ['a whole one and part of another', '0-15', 6, '0-5'],
    ['or not, where none has room', '0-2,4-6', 4, '0-2,4'],
  ])('%s', (_, available, count, want) => {
    expect(formatCpuSet(chooseCpus(caches, parseCpuSet(available), count, byCache))).toBe(want);
  });
});

test('chooseCpus() refuses what is not there', () => {
  const message = 'not enough cpus available to satisfy request: requested=3, available=2';
  expect(() => chooseCpus(singleSocket, [0, 1], 3, packed)).toThrow(message);
});

test('chooseCpus() gives as many as asked for, of those that there are, whatever the options', () => {
  const places = [singleSocket, dualSocket, caches, quad];
  const cases = fc
    .tuple(
      fc.constantFrom(...places),
      fc.boolean(),
      fc.boolean(),
      fc.constantFrom(1, 2),
      fc.infiniteStream(fc.boolean()),
    )
    .map(([machine, distributeAcrossNuma, alignByUncoreCache, groupSize, coins]) => ({
      machine,
      options: { distributeAcrossNuma, alignByUncoreCache, groupSize },
      available: cpuSet(machine.map(place => place.cpu).filter(() => coins.next().value)),
    }));
  fc.assert(
    fc.property(cases, fc.nat(16), ({ machine, options, available }, wish) => {
      const count = Math.min(wish, available.length);
      const chosen = chooseCpus(machine, available, count, options);
      expect(chosen).toHaveLength(count);
      expect(isWithin(chosen, available)).toBe(true);
    }),
    { numRuns: 200 },
  );
});
