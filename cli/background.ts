/**
 * Starts k8ts in the background, itself or by systemd, and tells how it comes along: each step with its time, until it runs, fails or takes
 * too long.
 */
import { spawn, type SpawnOptions } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { askStatus, type DaemonStatus } from './control-socket.ts';
import { CliError, exitCodes } from './exit-codes.ts';
import { seconds, type Output } from './output.ts';
import type { Paths } from './paths.ts';

const POLL_MS = 50;
/** A step that takes longer is shown while it runs. */
const SHOW_AFTER_MS = 1_000;
const MAX_LOG_BYTES = 20 * 1024 * 1024;

/**
 * @param args the command line of the process to start, after `k8ts`
 * @returns its status once it runs
 * @throws CliError with the cause from its log
 */
export async function startInBackground(
  args: readonly string[],
  paths: Paths,
  timeoutSeconds: number,
  output: Output,
): Promise<DaemonStatus> {
  mkdirSync(paths.logDir, { recursive: true, mode: 0o755 });
  if ((statSync(paths.log, { throwIfNoEntry: false })?.size ?? 0) > MAX_LOG_BYTES)
    renameSync(paths.log, `${paths.log}.1`);
  const log = openSync(paths.log, 'a', 0o640);
  const logStart = statSync(paths.log).size;
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1] ?? '', ...args], {
    detached: true,
    stdio: ['ignore', log, log],
    cwd: '/',
  } satisfies SpawnOptions);
  closeSync(log);
  let exited: number | undefined;
  child.once('exit', code => (exited = code ?? exitCodes.failed));
  child.unref();
  const failure = (): CliError | undefined =>
    exited === undefined
      ? undefined
      : new CliError(
          `k8ts did not start (exit ${exited}):\n${tailOf(paths.log, logStart)}\nThe whole log: ${paths.log}`,
          exited,
        );
  return followStart(paths, timeoutSeconds, output, failure, child.pid);
}

/** Lets systemd start the unit. @throws CliError that tells where the cause is written */
export function startBySystemd(
  unit: string,
  paths: Paths,
  timeoutSeconds: number,
  output: Output,
): Promise<DaemonStatus> {
  const child = spawn('systemctl', ['start', unit], { stdio: 'ignore' });
  let exited: number | undefined;
  child.once('exit', code => (exited = code ?? exitCodes.failed));
  child.unref();
  const failure = (): CliError | undefined =>
    exited === undefined || exited === 0
      ? undefined
      : new CliError(`systemd could not start ${unit}; its log: journalctl -u ${unit} -n 30`);
  return followStart(paths, timeoutSeconds, output, failure);
}

/**
 * Waits for a k8ts that starts.
 * @param failure what to throw if it can start no more
 * @param pid whose status counts; any when left out
 */
export async function followStart(
  paths: Paths,
  timeoutSeconds: number,
  output: Output,
  failure: () => CliError | undefined,
  pid?: number,
): Promise<DaemonStatus> {
  const begin = Date.now();
  const shown = new Set<string>();
  for (;;) {
    const status = await askStatus(paths.controlSocket);
    const ours = pid === undefined || status?.pid === pid ? status : undefined;
    for (const step of ours?.steps ?? []) {
      if (step.state === 'running' || shown.has(step.name)) continue;
      shown.add(step.name);
      if (step.state === 'done') output.step(step.name, step.ms, step.detail);
      else output.failedStep(step.name, step.ms, step.detail);
    }
    if (ours?.phase === 'running') return ours;
    const failed = failure();
    if (failed !== undefined) throw failed;
    const longest = ours?.steps.find(step => step.state === 'running');
    if (longest !== undefined && longest.ms > SHOW_AFTER_MS) output.waiting(longest.name, longest.ms);
    if (Date.now() - begin > timeoutSeconds * 1000) {
      const waiting = ours?.steps.find(step => step.state === 'running');
      const where = waiting === undefined ? '' : ` It waits for: ${waiting.name} (${seconds(waiting.ms)}).`;
      throw new CliError(
        `k8ts is not ready after ${timeoutSeconds} s.${where} It goes on in the background: k8ts status, k8ts logs -f`,
        exitCodes.timedOut,
      );
    }
    await sleep(POLL_MS);
  }
}

/** The last lines that the new process wrote. What it said to a person at its end stands in its log as well: once is enough. */
function tailOf(path: string, from: number): string {
  const text = readFileSync(path).subarray(from).toString('utf8').trimEnd();
  const lines = text.split('\n');
  const isTold = lines.some(line => line.startsWith('k8ts: '));
  return lines
    .filter(line => !isTold || !line.includes('k8ts stops'))
    .slice(-8)
    .map(line => `  ${line}`)
    .join('\n');
}
