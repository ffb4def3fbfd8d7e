import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { silentLogger } from '../../../machinery/process/logger.ts';
import type { PodCache } from '../pleg/pod-cache.ts';
import type { RuntimeService } from '../runtime/runtime-service.ts';
import { LogRotator } from './log-rotator.ts';

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'log-rotator-'))));
afterEach(() => rmSync(folder, { recursive: true }));

function setup(reopen: () => Promise<void> = () => Promise.resolve()) {
  const path = join(folder, '0.log');
  const reopened: string[] = [];
  const clock = new FakeClock();
  const view = { containers: [{ id: 'c1', state: 'running', logPath: path }] };
  const rotator = new LogRotator({
    runtime: {
      reopenContainerLog: async (id: string) => {
        reopened.push(id);
        await reopen();
        writeFileSync(path, '');
      },
    } as unknown as RuntimeService,
    cache: { views: () => [view] } as unknown as PodCache,
    clock,
    logger: silentLogger,
    policy: { maxBytes: 10, maxFiles: 3 },
    everyMs: 10_000,
    workers: 1,
  });
  const write = (text: string) => writeFileSync(path, text);
  return { rotator, clock, reopened, write, files: () => readdirSync(folder).sort() };
}

describe('LogRotator.lookOnce()', () => {
  test('leaves a log alone that is not too large', async () => {
    const { rotator, write, reopened, files } = setup();
    write('0123456789');
    await rotator.lookOnce();
    expect(files()).toEqual(['0.log']);
    expect(reopened).toEqual([]);
  });

  test('moves the log away, compresses the one before and keeps as many as it should', async () => {
    const { rotator, write, clock, files } = setup();
    for (const turn of ['first', 'second', 'third']) {
      write(`${turn} and more`);
      await rotator.lookOnce();
      await clock.advance(10_000);
    }
    expect(files()).toEqual(['0.log', '0.log.20260101-000010.gz', '0.log.20260101-000020']);
    // As secret as the log itself.
    expect(statSync(join(folder, '0.log.20260101-000010.gz')).mode & 0o007).toBe(0);
    expect(gunzipSync(readFileSync(join(folder, '0.log.20260101-000010.gz'))).toString()).toBe('second and more');
    expect(readFileSync(join(folder, '0.log.20260101-000020'), 'utf8')).toBe('third and more');
  });

  test('gives the log its name back when the runtime does not open a new one', async () => {
    const { rotator, write, files } = setup(() => Promise.reject(new Error('away')));
    write('first and more');
    await rotator.lookOnce();
    expect(files()).toEqual(['0.log']);
    expect(readFileSync(join(folder, '0.log'), 'utf8')).toBe('first and more');
  });

  test('a container without a log yet is no error', async () => {
    const { rotator, files } = setup();
    await rotator.lookOnce();
    expect(files()).toEqual([]);
  });
});
