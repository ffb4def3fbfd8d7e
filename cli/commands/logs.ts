/** `k8ts logs`: the end of the log of k8ts itself, or of its container runtime. */
import { closeSync, existsSync, fstatSync, openSync, readSync, watch } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import { CliError } from '../exit-codes.ts';
import { pathsOf } from '../paths.ts';

const CHUNK = 64 * 1024;

export async function logs(config: Config, args: Readonly<Record<string, unknown>>): Promise<void> {
  const paths = pathsOf(config);
  const file = args['containerd'] === true ? join(paths.logDir, 'containerd.log') : paths.log;
  if (!existsSync(file)) throw new CliError(`No log at ${file}: k8ts has not run in the background here`);
  const fd = openSync(file, 'r');
  let at = startOfTail(fd, Number(args['tail']));
  const print = (): void => {
    const chunk = Buffer.alloc(CHUNK);
    if (fstatSync(fd).size < at) at = 0;
    for (let n = readSync(fd, chunk, 0, CHUNK, at); n > 0; n = readSync(fd, chunk, 0, CHUNK, at)) {
      process.stdout.write(chunk.subarray(0, n));
      at += n;
    }
  };
  print();
  if (args['follow'] !== true) return closeSync(fd);
  await new Promise<void>(resolve => {
    const watcher = watch(file, print);
    process.once('SIGINT', () => {
      watcher.close();
      resolve();
    });
  });
}

/** Where the last `lines` lines begin. Reads backwards, a chunk at a time. */
function startOfTail(fd: number, lines: number): number {
  if (lines < 0) return 0;
  let at = fstatSync(fd).size;
  let left = lines + 1;
  const chunk = Buffer.alloc(CHUNK);
  while (at > 0) {
    const from = Math.max(0, at - CHUNK);
    const n = readSync(fd, chunk, 0, at - from, from);
    for (let i = n - 1; i >= 0; i--) if (chunk[i] === 10 && --left === 0) return from + i + 1;
    at = from;
  }
  return 0;
}
