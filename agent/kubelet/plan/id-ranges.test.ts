import { expect, test } from '@jest/globals';
import { freePart, podIdRange } from './id-ranges.ts';

const PART = 65_536;

test.each([
  ['no lines', '', '', { first: PART, perPod: PART, pods: 110 }],
  ["others' lines", 'root:100000:65536\n', 'root:1:2\n', { first: PART, perPod: PART, pods: 110 }],
  [
    'its own',
    `kubelet:${2 * PART}:${200 * PART}`,
    `a:1:2\nkubelet:${2 * PART}:${200 * PART}\n`,
    { first: 2 * PART, perPod: PART, pods: 200 },
  ],
  [
    'one alone',
    `kubelet:${PART}:${200 * PART}`,
    '',
    'the ranges of kubelet in /etc/subuid and /etc/subgid must be the same',
  ],
])('podIdRange() with %s', (_name, subuid, subgid, want) => {
  expect(podIdRange(subuid, subgid, PART, 110)).toEqual(want);
});

test.each([
  ['kubelet:0:65536', 'must begin with a multiple'],
  ['kubelet:65537:65536', 'must begin with a multiple'],
  ['kubelet:65536:65537', 'the length of'],
  ['kubelet:65536:65536', 'is not enough for 110 pods'],
])('podIdRange() refuses %s', (text, want) => {
  expect(podIdRange(text, text, PART, 110)).toContain(want);
});

test('podIdRange() never goes beyond the last id', () => {
  expect(podIdRange('', '', 2 ** 31, 110)).toEqual({ first: 2 ** 31, perPod: 2 ** 31, pods: 1 });
});

test('freePart() is the first that nobody has', () => {
  const range = { first: 100, perPod: 10, pods: 3 };
  expect(freePart(range, new Set())).toBe(100);
  expect(freePart(range, new Set([100, 120]))).toBe(110);
  expect(freePart(range, new Set([100, 110, 120]))).toBeUndefined();
});
