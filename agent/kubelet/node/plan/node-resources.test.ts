import { describe, expect, test } from '@jest/globals';
import type { Container, Pod } from '../../../../proto/api/core-v1.ts';
import { withDefaults } from '../../config/plan/kubelet-configuration.ts';
import { agedImages, bytesToFree, removableImages, type ImageUse } from '../../images/plan/image-garbage.ts';
import { nodeAllocatable, podsShare, reservationProblem } from './node-allocatable.ts';
import { swapBytes, swapRefusal, swapResources } from '../../plan/swap.ts';

const image = (id: string, lastUsedAtMs: number, more: Partial<ImageUse> = {}): ImageUse => ({
  id,
  sizeBytes: 40,
  pinned: false,
  inUse: false,
  detectedAtMs: 0,
  lastUsedAtMs,
  ...more,
});
const POLICY = { highPercent: 85, lowPercent: 80, minAgeMs: 200, maxAgeMs: 0 };
const ids = (images: readonly ImageUse[]): string[] => images.map(({ id }) => id);

describe('images that go', () => {
  const images = [
    image('young', 0, { detectedAtMs: 900 }),
    image('new', 900),
    image('old', 1),
    image('used', 0, { inUse: true }),
    image('pinned', 0, { pinned: true }),
    image('never', 0, { detectedAtMs: 500 }),
  ];

  test('removableImages() gives those unused for longest first, and no young ones', () => {
    expect(ids(removableImages(images, POLICY, 1_000))).toEqual(['never', 'old', 'new']);
  });

  test.each([
    [160, 0],
    [150, 50],
    [0, 200],
  ])('bytesToFree() with %i of 1000 left is %i', (availableBytes, want) => {
    expect(bytesToFree({ capacityBytes: 1_000, availableBytes }, POLICY)).toBe(want);
  });

  test('agedImages() waits for as long as it must have seen an image unused', () => {
    const policy = { ...POLICY, maxAgeMs: 1_000 };
    expect(agedImages(images, policy, 5_000, 4_500)).toEqual([]);
    expect(agedImages(images, POLICY, 5_000, 0)).toEqual([]);
    expect(ids(agedImages(images, policy, 1_850, 0))).toEqual(['old', 'never']);
  });
});

describe('nodeAllocatable()', () => {
  const capacity = { cpu: '4', memory: '8Gi', 'ephemeral-storage': '100Gi', pods: '110', 'hugepages-2Mi': '1Gi' };
  const configuration = withDefaults({
    kubeReserved: { cpu: '250m', memory: '512Mi', pid: '1000' },
    systemReserved: { cpu: '250m', 'ephemeral-storage': '1Gi' },
    evictionHard: { 'memory.available': '512Mi', 'nodefs.available': '10%', 'imagefs.available': '50%' },
    evictionSoft: { 'memory.available': '4Gi' },
    evictionSoftGracePeriod: { 'memory.available': '1m' },
  });

  test('takes off what is reserved, what hard thresholds keep free, and huge pages of memory', () => {
    expect(nodeAllocatable(capacity, configuration)).toEqual({
      cpu: '3500m',
      memory: '6Gi',
      'ephemeral-storage': '89Gi',
      pods: '110',
      'hugepages-2Mi': '1Gi',
    });
  });

  test('never falls below nothing; reserved processors count by number', () => {
    const greedy = withDefaults({ kubeReserved: { memory: '9Gi', cpu: '1' }, reservedSystemCPUs: '0,2-3' });
    expect(nodeAllocatable(capacity, greedy)).toMatchObject({ memory: '0', cpu: '1' });
    expect(reservationProblem(capacity, greedy)).toContain('(memory: 9316Mi of 8Gi); reserve less');
    expect(reservationProblem(capacity, configuration)).toBeUndefined();
  });

  test('podsShare() leaves room for eviction to act, and all where pods are not held', () => {
    const share = podsShare({ ...capacity, pid: '32768' }, configuration);
    expect(share.get('memory')?.toString()).toBe('6656Mi');
    expect(share.get('pid')?.value()).toBe(31_768);
    const free = withDefaults({ ...configuration, enforceNodeAllocatable: ['none'] } as object);
    expect(podsShare(capacity, free).get('memory')?.toString()).toBe('8Gi');
  });
});

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
