import { describe, expect, test } from '@jest/globals';
import { agedImages, bytesToFree, removableImages, type ImageUse } from './image-garbage.ts';

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
