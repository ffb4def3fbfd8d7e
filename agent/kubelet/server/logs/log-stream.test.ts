import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { appendFile, mkdtemp, rename, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { LogFollow } from './log-changes.ts';
import { streamLog, type LogRequest } from './log-stream.ts';

const line = (text: string, { stream = 'stdout', tag = 'F', second = 0 } = {}): string =>
  `2026-01-01T00:00:0${second}.0Z ${stream} ${tag} ${text}\n`;
const lines = (...texts: string[]): string => texts.map(text => line(text)).join('');
const plain: LogRequest = {
  follow: false,
  timestamps: false,
  tailLines: undefined,
  limitBytes: undefined,
  sinceMs: undefined,
  stream: 'All',
};
const ended: LogFollow = { isRunning: () => false, watch: () => () => undefined };

let path: string;
beforeEach(async () => {
  path = join(await mkdtemp(join(tmpdir(), 'k8ts-log-')), '0.log');
});
afterEach(() => rm(dirname(path), { recursive: true }));

async function read(request: Partial<LogRequest>): Promise<string> {
  let text = '';
  const sink = { write: (bytes: Buffer) => Promise.resolve(void (text += bytes.toString())) };
  await streamLog(path, { ...plain, ...request }, sink, ended, new AbortController().signal);
  return text;
}

/** A follower whose text can be awaited, and who may be told to stop reading. */
function follower() {
  let running = true;
  let wake = (): void => undefined;
  let text = '';
  let seen = (): void => undefined;
  let gate: Promise<void> = Promise.resolve();
  const follow: LogFollow = { isRunning: () => running, watch: onChange => ((wake = onChange), () => undefined) };
  const sink = {
    write: (bytes: Buffer) => {
      text += bytes.toString();
      seen();
      return gate;
    },
  };
  return {
    run: (request: Partial<LogRequest> = {}) =>
      streamLog(path, { ...plain, ...request, follow: true }, sink, follow, new AbortController().signal),
    until: (want: string) => new Promise<void>(resolve => ((seen = () => void (text === want && resolve())), seen())),
    /** The reader takes no more until the returned function is called. */
    stall: () => {
      let release = (): void => undefined;
      gate = new Promise(resolve => (release = resolve));
      return () => ((gate = Promise.resolve()), release());
    },
    end: () => {
      running = false;
      wake();
    },
    text: () => text,
  };
}

describe('streamLog() of one file', () => {
  test.each([
    ['all of it', {}, 'a\nb\nc\n'],
    ['the last two lines', { tailLines: 2 }, 'b\nc\n'],
    ['more lines than there are', { tailLines: 9 }, 'a\nb\nc\n'],
    ['no line', { tailLines: 0 }, ''],
    ['the first three bytes', { limitBytes: 3 }, 'a\nb'],
  ])('sends %s', async (_name, request, want) => {
    await writeFile(path, lines('a', 'b', 'c'));
    expect(await read(request)).toBe(want);
  });

  test.each([
    ['whole', {}, '0123\nz\n'],
    ['with one time', { timestamps: true }, '2026-01-01T00:00:00.0Z 0123\n2026-01-01T00:00:00.0Z z\n'],
    ['as one of the last lines', { tailLines: 2 }, '0123\nz\n'],
    ['not when one line is asked for', { tailLines: 1 }, 'z\n'],
  ])('sends a line of parts %s', async (_name, request, want) => {
    await writeFile(path, line('01', { tag: 'P' }) + line('23') + line('z'));
    expect(await read(request)).toBe(want);
  });

  test('sends a last line that has no newline yet', async () => {
    await writeFile(path, `${lines('a')}${line('b').trimEnd()}`);
    expect(await read({ tailLines: 1 })).toBe('b\n');
  });

  test('finds the tail of lines longer than what is read at once', async () => {
    const long = 'x'.repeat(70_000);
    await writeFile(path, lines(long, 'b', long, 'd'));
    expect(await read({ tailLines: 3 })).toBe(`b\n${long}\nd\n`);
  });

  test('throws when there is none', async () => {
    await expect(read({})).rejects.toThrow('ENOENT');
  });
});

describe('streamLog() of rotated files', () => {
  beforeEach(async () => {
    await writeFile(`${path}.20260101-000001.gz`, gzipSync(lines('a', 'b') + line('c1', { tag: 'P' }) + line('c2')));
    await writeFile(`${path}.20260101-000002`, lines('d', 'e'));
    await writeFile(`${path}.20260101-000002.tmp`, 'half a file');
    await writeFile(path, lines('f'));
  });

  test.each([
    ['all of them, oldest first', {}, 'a\nb\nc1c2\nd\ne\nf\n'],
    ['a tail of the newest', { tailLines: 1 }, 'f\n'],
    ['a tail of two', { tailLines: 2 }, 'e\nf\n'],
    ['a tail with part of a compressed one', { tailLines: 4 }, 'c1c2\nd\ne\nf\n'],
    ['more than there is', { tailLines: 40 }, 'a\nb\nc1c2\nd\ne\nf\n'],
    ['up to a limit', { limitBytes: 5 }, 'a\nb\nc'],
  ])('sends %s', async (_name, request, want) => {
    expect(await read(request)).toBe(want);
  });

  test('leaves out those that ended before the time asked for', async () => {
    const long = new Date('2020-01-01T00:00:00Z');
    await utimes(`${path}.20260101-000001.gz`, long, long);
    expect(await read({ sinceMs: Date.parse('2025-01-01T00:00:00Z') })).toBe('d\ne\nf\n');
  });

  test('sends what there is between the two steps of a rotation', async () => {
    await rm(path);
    expect(await read({ tailLines: 1 })).toBe('e\n');
  });
});

describe('streamLog() that follows', () => {
  test('goes on over a rotation until the container ends', async () => {
    await writeFile(path, lines('a'));
    const { run, until, end } = follower();
    const done = run();
    await until('a\n');
    await appendFile(path, lines('b'));
    await until('a\nb\n');
    await rename(path, `${path}.20260101-000001`);
    await writeFile(path, lines('c'));
    await until('a\nb\nc\n');
    end();
    await done;
  });

  test('misses nothing of rotations that a slow reader slept through', async () => {
    await writeFile(path, lines('a'));
    const { run, until, stall, end, text } = follower();
    const release = stall();
    const done = run();
    await until('a\n');
    await appendFile(path, lines('b'));
    await rename(path, `${path}.20260101-000001`);
    await writeFile(`${path}.20260101-000002.gz`, gzipSync(lines('c')));
    await writeFile(path, lines('d'));
    release();
    await until('a\nb\nc\nd\n');
    end();
    await done;
    expect(text()).toBe('a\nb\nc\nd\n');
  });

  test('begins anew when the file is cut', async () => {
    await writeFile(path, lines('a', 'b'));
    const { run, until, end } = follower();
    const done = run();
    await until('a\nb\n');
    await truncate(path);
    await appendFile(path, lines('c'));
    await until('a\nb\nc\n');
    end();
    await done;
  });
});
