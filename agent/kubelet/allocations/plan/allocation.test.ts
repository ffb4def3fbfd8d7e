import { describe, expect, test } from '@jest/globals';
import type { Container, Pod } from '../../../../proto/api/core-v1.ts';
import { allocationOf, withAllocation } from './allocation.ts';
import { resizeRestarts, resourcesOfStatus, resourcesToApply, type AppliedResources } from './applied-resources.ts';
import { resizeConditions, resizeMessage } from './resize-events.ts';

const pod = (cpu: string, spec: Partial<Pod['spec']> = {}): Pod => ({
  metadata: { uid: 'u' },
  spec: { containers: [{ name: 'c', resources: { requests: { cpu } } }], ...spec },
});

describe('withAllocation()', () => {
  test('gives what was allocated, and the very pod where that is what it asks for', () => {
    const asked = pod('2');
    expect(withAllocation(asked, undefined)).toBe(asked);
    expect(withAllocation(asked, allocationOf(pod('2000m')))).toBe(asked);
    expect(withAllocation(asked, allocationOf(pod('1')))).toEqual(pod('1'));
  });

  test('of sidecars and of the pod as a whole too, but not of init containers that end', () => {
    const spec = (cpu: string): Partial<Pod['spec']> => ({
      resources: { requests: { cpu } },
      initContainers: [
        { name: 'i', resources: { requests: { cpu } } },
        { name: 's', restartPolicy: 'Always', resources: { requests: { cpu } } },
      ],
    });
    const given = withAllocation(pod('2', spec('2')), allocationOf(pod('1', spec('1'))));
    expect(given.spec.resources?.requests?.['cpu']).toBe('1');
    expect(given.spec.initContainers?.map(c => c.resources?.requests?.['cpu'])).toEqual(['2', '1']);
    expect(withAllocation(pod('2'), allocationOf(pod('2', { resources: {} }))).spec.resources).toEqual(undefined);
  });
});

const container: Container = {
  name: 'c',
  resources: { requests: { cpu: '100m', memory: '64Mi' }, limits: { cpu: '500m', memory: '128Mi' } },
};
const whole: Pod = { metadata: {}, spec: { containers: [container] } };
const MIB = 1024 * 1024;
const applied = (over: Partial<AppliedResources> = {}): AppliedResources => ({
  cpuShares: 102,
  cpuQuotaUs: 50_000,
  memoryLimitBytes: 128 * MIB,
  memoryRequestBytes: 64 * MIB,
  ...over,
});

test('resourcesToApply() is what the kernel is told, and the memory request', () => {
  expect(resourcesToApply(whole, container)).toEqual(applied());
});

test.each<[string, Partial<AppliedResources>, string, string, boolean]>([
  ['cpu, cpu restarts', { cpuQuotaUs: 1 }, 'cpu', 'RestartContainer', true],
  ['shares, cpu restarts', { cpuShares: 2 }, 'cpu', 'RestartContainer', true],
  ['cpu, memory restarts', { cpuQuotaUs: 1 }, 'memory', 'RestartContainer', false],
  ['memory, memory restarts', { memoryLimitBytes: 1 }, 'memory', 'RestartContainer', true],
  ['memory request, memory restarts', { memoryRequestBytes: 1 }, 'memory', 'RestartContainer', true],
  ['memory, not required', { memoryLimitBytes: 1 }, 'memory', 'NotRequired', false],
])('resizeRestarts(): %s', (_name, from, resourceName, restartPolicy, want) => {
  const resizePolicy = [{ resourceName, restartPolicy }];
  expect(resizeRestarts({ ...container, resizePolicy }, applied(from), applied())).toBe(want);
});

describe('resourcesOfStatus()', () => {
  const tell = (given: AppliedResources | undefined, actual = {}) => resourcesOfStatus(whole, container, given, actual);

  test.each([
    ['nobody knows', undefined, {}],
    ['all is as allocated', applied(), {}],
    ['the runtime says the same', applied(), { cpuShares: 102, cpuQuotaUs: 50_000, memoryLimitBytes: 128 * MIB }],
  ])('in the words of the spec when %s', (_name, given, actual) => {
    expect(tell(given, actual)).toEqual(container.resources);
  });

  test('what the container still has while a resize is under way', () => {
    const before = applied({
      cpuShares: 51,
      cpuQuotaUs: 25_000,
      memoryLimitBytes: 96 * MIB,
      memoryRequestBytes: 32 * MIB,
    });
    expect(tell(before)).toEqual({
      requests: { cpu: '50m', memory: String(32 * MIB) },
      limits: { cpu: '250m', memory: String(96 * MIB) },
    });
  });

  test('what the runtime says wins; a limit that is not there yet is not told as 0', () => {
    expect(tell(applied({ memoryLimitBytes: 0 }), { cpuQuotaUs: 100_000 })).toEqual({
      requests: container.resources?.requests,
      limits: { cpu: '1000m' },
    });
  });
});

test('a resize in words: conditions and events as upstream has them', () => {
  const pending = { reason: 'Deferred', message: 'no room', generation: 3 } as const;
  expect(resizeConditions({ pending, inProgress: { generation: 2, error: 'bad' } })).toEqual([
    { type: 'PodResizePending', status: 'True', reason: 'Deferred', message: 'no room', observedGeneration: 3 },
    { type: 'PodResizeInProgress', status: 'True', reason: 'Error', message: 'bad', observedGeneration: 2 },
  ]);
  expect(resizeMessage('completed', pod('1'), 2)).toBe(
    'Pod resize completed: {"containers":[{"name":"c","resources":{"requests":{"cpu":"1"}}}],"generation":2}',
  );
});
