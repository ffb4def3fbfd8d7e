import { expect, test } from '@jest/globals';
import type { ContainerStatus, Pod } from '../../../proto/api/core-v1.ts';
import { podRequest, takesLess } from './resources.ts';

/** A pod that asks for `cpu` and was given `has`. */
function pod(cpu: string, has?: string): Pod {
  const told = { name: 'c', allocatedResources: { cpu: has } } as unknown as ContainerStatus;
  const status = has === undefined ? {} : { containerStatuses: [told] };
  return { metadata: {}, spec: { containers: [{ name: 'c', resources: { requests: { cpu } } }] }, status };
}

test('a pod whose resize down is not carried out yet takes what it has', () => {
  expect(podRequest(pod('1', '2')).get('cpu')).toBe(2_000);
  expect(podRequest(pod('3', '2')).get('cpu')).toBe(3_000);
});

test.each([
  ['asks for less, but has it still', pod('2', '2'), pod('1', '2'), false],
  ['has given it back', pod('1', '2'), pod('1', '1'), true],
  ['asks for more', pod('1', '1'), pod('2', '1'), false],
])('takesLess(): %s', (_name, before, now, want) => {
  expect(takesLess(now, before)).toBe(want);
});
