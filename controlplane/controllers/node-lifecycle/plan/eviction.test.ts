import { expect, test } from '@jest/globals';
import type { Pod, Taint, Toleration } from '../../../../proto/api/core-v1.ts';
import { toleratedMs } from './eviction.ts';

const gone: Taint = { key: 'gone', effect: 'NoExecute' };
const slow: Taint = { key: 'slow', effect: 'NoExecute', value: 'very' };
const tolerates = (key: string, tolerationSeconds?: number): Toleration => ({
  key,
  operator: 'Exists',
  effect: 'NoExecute',
  tolerationSeconds,
});

test.each<[string, Taint[], Toleration[], number]>([
  ['no taint', [], [], Infinity],
  ['a taint of another effect', [{ key: 'gone', effect: 'NoSchedule' }], [], Infinity],
  ['a taint that it does not tolerate', [gone], [tolerates('slow')], 0],
  ['a taint that it tolerates for ever', [gone], [tolerates('gone')], Infinity],
  ['the shortest of two taints', [gone, slow], [tolerates('gone', 60), tolerates('slow', 5)], 5000],
  ['one of two not at all', [gone, slow], [tolerates('gone', 60)], 0],
  ['the shortest of two tolerations', [gone], [tolerates('gone', 60), tolerates('', 7)], 7000],
  ['a time below nothing', [gone], [tolerates('gone', -5)], 0],
])('toleratedMs() with %s', (_name, taints, tolerations, expected) => {
  expect(toleratedMs({ metadata: {}, spec: { containers: [], tolerations } } as Pod, taints)).toBe(expected);
});
