import { describe, expect, test } from '@jest/globals';
import type { Container, Pod } from '../../../proto/api/core-v1.ts';
import { swapBytes, swapRefusal, swapResources } from './swap.ts';

describe('swap', () => {
  const node = { behavior: 'LimitedSwap', swapBytes: 1_000, memoryBytes: 10_000 };
  const container = (requests?: string, limits?: string): Container => ({
    name: 'main',
    resources: {
      ...(requests === undefined ? {} : { requests: { memory: requests } }),
      ...(limits === undefined ? {} : { limits: { memory: limits } }),
    },
  });
  test.each([
    ['burstable: its part', container('2500', '5000'), {}, 250],
    ['burstable without limit', container('2500'), {}, 250],
    ['asks for no memory', container(undefined), {}, 0],
    ['asks for all that it may have', container('2500', '2500'), {}, 0],
    ['critical', container('2500'), { priority: 2_000_000_000 }, 0],
  ])('swapBytes() %s: %j', (_, main, spec, want) => {
    const other = { name: 'other', resources: { requests: { cpu: '1' } } };
    const pod: Pod = { metadata: {}, spec: { containers: [main, other], ...spec } };
    expect(swapBytes(pod, main, node)).toBe(want);
    expect(swapResources(pod, main, { ...node, behavior: '' })).toEqual({ unified: { 'memory.swap.max': '0' } });
    expect(swapResources(pod, main, undefined)).toEqual({});
  });

  test('swapRefusal() says what to do', () => {
    expect(swapRefusal('LimitedSwap', 'hybrid')).toContain('needs control groups v2');
    expect([swapRefusal('LimitedSwap', 'v2'), swapRefusal('NoSwap', 'v1')]).toEqual([undefined, undefined]);
  });
});
