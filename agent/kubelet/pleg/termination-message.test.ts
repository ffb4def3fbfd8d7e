import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { CRI_KEYS } from '../plan/cri-labels.ts';
import { readTerminationMessage } from './termination-message.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'termination-message-'));
  writeFileSync(join(folder, 'file'), 'bye');
  writeFileSync(join(folder, 'huge'), 'x'.repeat(5000));
  truncateSync(join(folder, 'huge'), 1e12);
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  symlinkSync('/dev/zero', join(folder, 'device'));
  const line = (text: string): string => `2026-01-01T00:00:00.000000000Z stderr F ${text}\n`;
  writeFileSync(join(folder, 'log'), line('first') + line('last words'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const read = (file: string, log = '', exitCode = 1): Promise<string> =>
  readTerminationMessage(
    {
      [CRI_KEYS.terminationMessageFile]: join(folder, file),
      [CRI_KEYS.terminationMessagePolicy]: 'FallbackToLogsOnError',
    },
    log === '' ? '' : join(folder, log),
    exitCode,
  );

test.each([
  ['file', 'bye'],
  ['huge', 'x'.repeat(4096)],
  ['pipe', ''],
  ['device', ''],
  ['.', ''],
  ['none', ''],
])('readTerminationMessage() of %s', async (file, want) => {
  expect(await read(file)).toBe(want);
});

test('readTerminationMessage() falls back to the log of what failed, and to nothing but a log', async () => {
  expect(await read('none', 'log')).toContain('last words');
  expect(await read('none', 'log', 0)).toBe('');
  expect(await read('file', 'log')).toBe('bye');
  expect(await read('none', 'pipe')).toBe('');
  expect(await read('none', 'device')).toBe('');
});
