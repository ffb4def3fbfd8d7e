import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';

test('pages that lie free between used pieces are given back', async () => {
  const script = fileURLToPath(new URL('testdata/scattered-memory.ts', import.meta.url));
  const argv = ['--import', 'tsx', '--expose-gc', script];
  const { stdout } = await promisify(execFile)(process.execPath, argv, { env: { ...process.env, NODE_OPTIONS: '' } });
  const { before, full, after, kept, timers } = JSON.parse(stdout) as Record<string, number>;
  expect(full).toBeGreaterThan((before ?? 0) + 60_000_000);
  expect((after ?? 0) - (before ?? 0)).toBeLessThan(((full ?? 0) - (before ?? 0)) / 2);
  expect([kept, timers]).toEqual([1200, 0]);
});
