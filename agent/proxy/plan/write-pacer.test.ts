import { expect, test } from '@jest/globals';
import { WritePacer } from './write-pacer.ts';

test('WritePacer lets single changes and bursts through at once', () => {
  const pacer = new WritePacer();
  for (let nowMs = 1_000; nowMs < 20_000; nowMs += 1_000) {
    expect(pacer.delayMs(nowMs)).toBe(0);
    pacer.wrote(nowMs + 70, 70);
    expect(pacer.delayMs(nowMs + 70)).toBe(0);
  }
});

test('WritePacer holds who writes all the time to half of it, and never longer than a write', () => {
  const pacer = new WritePacer();
  let nowMs = 1_000;
  let writingMs = 0;
  for (let i = 0; i < 100; i++) {
    const delayMs = pacer.delayMs(nowMs);
    expect(delayMs).toBeLessThanOrEqual(70);
    nowMs += delayMs + 70;
    writingMs += 70;
    pacer.wrote(nowMs, 70);
  }
  expect(writingMs / (nowMs - 1_000)).toBeGreaterThan(0.45);
  expect(writingMs / (nowMs - 1_000)).toBeLessThan(0.6);
});
