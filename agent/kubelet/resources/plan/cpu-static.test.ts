/** What must hold is upstream's (cpumanager/policy_static_test.go, topology_hints_test.go). */
import { describe, expect, test } from '@jest/globals';
import type { Container, Pod } from '../../../../proto/api/core-v1.ts';
import { formatCpuSet, parseCpuSet, unionOf } from '../../../../machinery/meta/cpu-set.ts';
import { containerOf, machineOf, podOf } from '../testdata/machines.ts';
import { readCpuCheckpoint, writeCpuCheckpoint } from './cpu-checkpoint.ts';
import {
  assignCpus,
  cpuHints,
  cpuStateConflict,
  exclusiveCpus,
  initialCpuState,
  releaseCpus,
  type CpuPolicy,
  type CpuState,
} from './cpu-static.ts';
import { maskOf, nodesOf } from './numa-mask.ts';

/** Two nodes of two cores of two threads: 0,4 1,5 | 2,6 3,7 */
const machine = machineOf({ sockets: 2, nodesPerSocket: 1, coresPerNode: 2, threads: 2 });
const none = { fullCoresOnly: false, strictReservation: false, distributeAcrossNuma: false, alignByUncoreCache: false };
const policyWith = (options: Partial<CpuPolicy['options']> = {}, reserved = '0'): CpuPolicy => ({
  machine,
  reserved: parseCpuSet(reserved),
  options: { ...none, ...options },
});
const policy = policyWith();

const c = (name: string, cpu: string, sidecar = false): Container => containerOf(name, { cpu, memory: '1' }, sidecar);

function give(state: CpuState, pod: Pod, nodes?: readonly number[], by = policy): CpuState {
  const mask = nodes === undefined ? undefined : maskOf(nodes);
  return [...(pod.spec.initContainers ?? []), ...pod.spec.containers].reduce(
    (now, container) => assignCpus(by, now, pod, container, mask),
    state,
  );
}
const told = (state: CpuState): Record<string, string> => ({
  shared: formatCpuSet(state.shared),
  ...Object.fromEntries(
    [...state.assigned].flatMap(([uid, own]) => [...own].map(([name, cpus]) => [`${uid}/${name}`, formatCpuSet(cpus)])),
  ),
});

test.each([
  ['whole processors', podOf('u', [c('c', '2')]), 2],
  ['parts of one', podOf('u', [c('c', '1500m')]), 0],
  ['a Burstable pod', podOf('u', [containerOf('c', { cpu: '2' })]), 0],
  ['a limit alone', podOf('u', [{ name: 'c', resources: { limits: { cpu: '1', memory: '1' } } }]), 1],
  [
    'resources of the pod as a whole',
    {
      ...podOf('u', [c('c', '2')]),
      spec: { containers: [c('c', '2')], resources: { limits: { cpu: '2', memory: '1' } } },
    },
    0,
  ],
])('exclusiveCpus() %s', (_, pod, want) => {
  const [first] = pod.spec.containers;
  expect(first && exclusiveCpus(pod, first)).toBe(want);
});

describe('assignCpus()', () => {
  const start = initialCpuState(policy);

  test('takes from what is shared, never what is reserved, and gives back', () => {
    const one = give(start, podOf('a', [c('x', '2')]));
    expect(told(one)).toEqual({ shared: '0,2-4,6-7', 'a/x': '1,5' });
    const both = give(one, podOf('b', [c('y', '1'), c('z', '500m')]));
    expect(told(both)).toEqual({ shared: '0,2-3,6-7', 'a/x': '1,5', 'b/y': '4' });
    expect(told(releaseCpus(both, 'a'))).toEqual({ shared: '0-3,5-7', 'b/y': '4' });
    expect(releaseCpus(both, 'nobody')).toBe(both);
  });

  test('gives nothing twice to who has it', () => {
    const pod = podOf('a', [c('x', '2')]);
    const one = give(start, pod);
    expect(give(one, pod)).toBe(one);
  });

  test('takes from the nodes that it is told first', () => {
    expect(told(give(start, podOf('a', [c('x', '2')]), [1]))).toMatchObject({ 'a/x': '2,6' });
    expect(told(give(start, podOf('a', [c('x', '6')]), [1]))).toMatchObject({ 'a/x': '1-3,5-7' });
  });

  test('refuses more than there is', () => {
    const message = 'not enough cpus available to satisfy request: requested=8, available=7';
    expect(() => give(start, podOf('a', [c('x', '8')]))).toThrow(message);
  });

  test('what init containers had serves those after them; sidecars keep theirs', () => {
    const pod = podOf('a', [c('main', '3')], [c('first', '4'), c('side', '1', true), c('second', '2')]);
    const own = give(start, pod).assigned.get('a');
    const all = unionOf(...(own?.values() ?? []));
    expect(all).toHaveLength(4);
    const of = (name: string) => formatCpuSet(own?.get(name) ?? []);
    expect(of('main')).not.toContain(of('side'));
    expect(unionOf(own?.get('main') ?? [], own?.get('side') ?? [])).toHaveLength(4);
  });

  test('full-pcpus-only gives whole cores or nothing', () => {
    const full = policyWith({ fullCoresOnly: true });
    const first = give(initialCpuState(full), podOf('a', [c('x', '2')]), undefined, full);
    expect(told(first)).toMatchObject({ 'a/x': '1,5' });
    expect(() => give(first, podOf('b', [c('x', '1')]), undefined, full)).toThrow(
      'SMT Alignment Error: requested 1 cpus not multiple cpus per core = 2',
    );
    expect(() => give(first, podOf('b', [c('x', '6')]), undefined, full)).toThrow(
      'SMT Alignment Error: not enough free physical CPUs: available physical CPUs = 4, requested CPUs = 6, CPUs per core = 2',
    );
  });

  test('strict-cpu-reservation keeps everybody off reserved processors', () => {
    expect(told(initialCpuState(policyWith({ strictReservation: true })))).toEqual({ shared: '1-7' });
  });
});

describe('cpuHints()', () => {
  const start = initialCpuState(policy);
  const hintsOf = (state: CpuState, pod: Pod, container?: Container) =>
    cpuHints(policy, state, pod, container)
      .get('cpu')
      ?.map(({ nodes = 0, preferred }) => `${nodesOf(nodes).join('')}${preferred ? '+' : ''}`);

  test.each<[string, string, string[] | undefined]>([
    ['who shares has none', '500m', undefined],
    ['either node, both if need be', '3', ['0+', '1+', '01']],
    ['only the node without the reserved one', '4', ['1+', '01']],
    ['both nodes', '5', ['01+']],
    ['more than there is', '8', []],
  ])('%s', (_, cpu, want) => {
    const container = c('x', cpu);
    expect(hintsOf(start, podOf('a', [container]), container)).toEqual(want);
  });

  test('of a pod count its peak', () => {
    expect(hintsOf(start, podOf('a', [c('x', '2'), c('y', '2')], [c('i', '3')]))).toEqual(['1+', '01']);
  });

  test('who has them already keeps them', () => {
    const pod = podOf('a', [c('x', '2')]);
    const given = give(start, pod, [1]);
    expect(hintsOf(given, pod, pod.spec.containers[0])).toEqual(['1+', '01']);
    expect(hintsOf(given, pod, c('x', '3'))).toEqual([]);
  });
});

describe('a remembered state', () => {
  const state = give(initialCpuState(policy), podOf('a', [c('x', '2')]));

  test("is read as it was written, in upstream's form", () => {
    const text = writeCpuCheckpoint('static', state);
    expect(JSON.parse(text)).toEqual({
      policyName: 'static',
      defaultCpuSet: '0,2-4,6-7',
      entries: { a: { x: '1,5' } },
      checksum: expect.any(Number),
    });
    expect(readCpuCheckpoint(text)).toEqual({ policyName: 'static', state });
  });

  test.each([
    ['cut off', (text: string) => text.slice(0, -4)],
    ['changed by hand', (text: string) => text.replace('1,5', '1,6')],
    ['no state', () => '[]'],
  ])('that was %s is refused', (_, spoil) => {
    expect(() => readCpuCheckpoint(spoil(writeCpuCheckpoint('static', state)))).toThrow(/checksum|JSON/);
  });

  test.each<[string, CpuPolicy, CpuState, string | undefined]>([
    ['goes with its machine', policy, state, undefined],
    [
      'misses what is reserved now',
      policyWith({}, '0-1'),
      state,
      'not all reserved cpus: "0-1" are present in defaultCpuSet: "0,2-4,6-7"',
    ],
    [
      'shares what is strictly reserved',
      policyWith({ strictReservation: true }),
      state,
      'some of strictly reserved cpus: "0" are present',
    ],
    ['gives a processor twice', policy, { ...state, shared: parseCpuSet('0-7') }, 'overlaps with default cpuset "0-7"'],
    [
      'knows other processors',
      policy,
      { ...state, shared: parseCpuSet('0,2-4,6-9') },
      'doesn\'t match with CPUs in state "0-9"',
    ],
  ])('%s', (_, by, remembered, want) => {
    const conflict = cpuStateConflict(by, remembered);
    if (want === undefined) expect(conflict).toBeUndefined();
    else expect(conflict).toContain(want);
  });
});
