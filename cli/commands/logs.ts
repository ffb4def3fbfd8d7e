/** `k8ts logs`: the end of the log of k8ts itself, or of its container runtime. */
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync, watch } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import { CliError, exitCodes } from '../exit-codes.ts';
import type { Output } from '../output.ts';
import { pathsOf, type Paths } from '../paths.ts';
import { lockHolder } from '../pid-lock.ts';
import { requireAccess } from '../require-access.ts';
import { installedUnits, unitOfProcess } from '../systemd.ts';

const CHUNK = 64 * 1024;

export async function logs(config: Config, args: Readonly<Record<string, unknown>>, output: Output): Promise<void> {
  if (output.isJson && args['follow'] === true)
    throw new CliError(
      '--follow prints lines as they come; --output json prints one document: choose',
      exitCodes.usage,
    );
  const paths = pathsOf(config);
  const isRuntime = args['containerd'] === true;
  const unit = isRuntime ? undefined : unitThatLogs(paths);
  if (unit !== undefined) return journalOf(unit, args, output);
  const file = isRuntime ? join(paths.logDir, 'containerd.log') : paths.log;
  requireAccess(file, 'logs');
  if (!existsSync(file)) {
    const pid = isRuntime ? undefined : lockHolder(paths.lock);
    const why = pid === undefined ? 'has not run in the background here' : `logs to whoever started it (pid ${pid})`;
    throw new CliError(`There is no ${file}: k8ts ${why}`, exitCodes.notRunning);
  }
  const fd = openSync(file, 'r');
  let at = startOfTail(fd, Number(args['tail']));
  if (output.isJson) {
    closeSync(fd);
    return output.result({ log: file, lines: linesOf(readFileSync(file).subarray(at).toString('utf8')) });
  }
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

/** The unit that runs k8ts now, else the one that would. */
function unitThatLogs(paths: Paths): string | undefined {
  requireAccess(paths.lock, 'logs');
  const pid = lockHolder(paths.lock);
  return pid === undefined ? installedUnits(paths)[0] : unitOfProcess(pid);
}

/** What systemd starts writes to the journal. */
async function journalOf(unit: string, args: Readonly<Record<string, unknown>>, output: Output): Promise<void> {
  const tail = Number(args['tail']);
  const lines = tail < 0 ? 'all' : String(tail);
  const follow = args['follow'] === true ? ['--follow'] : [];
  const argv = ['--unit', unit, '--no-pager', '--quiet', '--output=cat', `--lines=${lines}`, ...follow];
  if (output.isJson) {
    const text = execFileSync('journalctl', argv, { encoding: 'utf8', maxBuffer: 256 * 1024 * 1024 });
    return output.result({ log: unit, lines: linesOf(text) });
  }
  const child = spawn('journalctl', argv, { stdio: 'inherit' });
  await new Promise<void>((resolve, reject) => {
    child.once('exit', () => resolve());
    child.once('error', reject);
  });
}

function linesOf(text: string): string[] {
  return text.split('\n').filter(line => line !== '');
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
