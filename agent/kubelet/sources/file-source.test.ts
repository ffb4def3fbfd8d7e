import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { silentLogger } from '../../../machinery/process/logger.ts';
import { FileSource } from './file-source.ts';
import type { Manifest } from './manifests.ts';

const EVERY_MS = 20_000;
let folder: string;
let stop: AbortController;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'file-source-'));
  stop = new AbortController();
});
afterEach(() => {
  stop.abort();
  rmSync(folder, { recursive: true });
});

const pod = (name: string): string =>
  `{apiVersion: v1, kind: Pod, metadata: {name: ${name}}, spec: {containers: [{name: c, image: i}]}}`;
const write = (file: string, text: string): void => writeFileSync(join(folder, file), text);

/** Gives what is read next, in due time. */
function reading(): () => Promise<readonly Manifest[]> {
  // Whatever is written now was written long ago.
  const clock = new FakeClock(Date.now() + 3_600_000);
  const read: (readonly Manifest[])[] = [];
  const source = new FileSource({
    path: folder,
    nodeName: 'node',
    everyMs: EVERY_MS,
    clock,
    logger: silentLogger,
    onManifests: manifests => void read.push(manifests),
  });
  void source.run(stop.signal);
  return async () => {
    for (;;) {
      const next = read.shift();
      if (next !== undefined) return next;
      await clock.advance(EVERY_MS);
      await new Promise(resolve => setImmediate(resolve));
    }
  };
}

test('FileSource reads files, not what else lies there; none that is too long, and none that is no pod', async () => {
  write('a.yaml', pod('a'));
  write('.hidden', pod('hidden'));
  write('bomb.yaml', `a: &a [1, 2]\n${'b: &b [*a, *a]\n'.repeat(3)}`);
  write('huge.yaml', '');
  truncateSync(join(folder, 'huge.yaml'), 1e11);
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  symlinkSync('/dev/zero', join(folder, 'zero'));
  symlinkSync('nowhere', join(folder, 'link'));
  const manifests = await reading()();
  expect(manifests.map(({ location, problem }) => [location.slice(folder.length + 1), problem === undefined])).toEqual([
    ['a.yaml', true],
    ['bomb.yaml', false],
    ['huge.yaml', false],
  ]);
});

test('FileSource parses a file again when it has changed, and else not', async () => {
  write('a.yaml', pod('a'));
  write('b.yaml', pod('b'));
  const next = reading();
  const first = await next();
  const second = await next();
  expect(second.map((manifest, i) => manifest === first[i])).toEqual([true, true]);
  write('b.yaml', pod('c'));
  let third = await next();
  while (third[1] === first[1]) third = await next();
  expect(third[0]).toBe(first[0]);
  expect(third[1]?.pods[0]?.metadata.name).toBe('c-node');
});
