import { expect, test } from '@jest/globals';
import { appendFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { streamLog, type LogFollow } from './log-stream.ts';
import type { LogOptions } from './plan/log-options.ts';

const line = (text: string): string => `2026-01-01T00:00:00.0Z stdout F ${text}\n`;
const plain: LogOptions = {
  follow: false,
  previous: false,
  timestamps: false,
  tailLines: undefined,
  limitBytes: undefined,
  sinceMs: undefined,
  stream: 'All',
};
const ended: LogFollow = { isRunning: () => false, watch: () => () => undefined };

async function inFolder(work: (path: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'k8ts-log-'));
  try {
    await work(join(folder, '0.log'));
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function read(path: string, options: Partial<LogOptions>): Promise<string> {
  let text = '';
  const sink = { write: (bytes: Buffer) => Promise.resolve(void (text += bytes.toString())) };
  await streamLog(path, { ...plain, ...options }, sink, ended, new AbortController().signal);
  return text;
}

test.each([
  ['all of it', {}, 'a\nb\nc\n'],
  ['the last two lines', { tailLines: 2 }, 'b\nc\n'],
  ['more lines than there are', { tailLines: 9 }, 'a\nb\nc\n'],
  ['no line', { tailLines: 0 }, ''],
  ['the first three bytes', { limitBytes: 3 }, 'a\nb'],
])('streamLog() sends %s', async (_name, options, want) => {
  await inFolder(async path => {
    await writeFile(path, ['a', 'b', 'c'].map(line).join(''));
    expect(await read(path, options)).toBe(want);
  });
});

test('streamLog() follows over a rotation until the container ends', async () => {
  await inFolder(async path => {
    await writeFile(path, line('a'));
    let running = true;
    let wake = (): void => undefined;
    const follow: LogFollow = { isRunning: () => running, watch: onChange => ((wake = onChange), () => undefined) };
    let text = '';
    let seen = (): void => undefined;
    const sink = { write: (bytes: Buffer) => Promise.resolve(void ((text += bytes.toString()), seen())) };
    const until = (want: string) =>
      new Promise<void>(resolve => ((seen = () => void (text === want && resolve())), seen()));
    const done = streamLog(path, { ...plain, follow: true }, sink, follow, new AbortController().signal);
    await until('a\n');
    await appendFile(path, line('b'));
    await until('a\nb\n');
    await rename(path, `${path}.1`);
    await writeFile(path, line('c'));
    await until('a\nb\nc\n');
    running = false;
    wake();
    await done;
  });
});
