/**
 * Starts k8ts in the background and tells how it comes along: each step with its time, until it runs, fails or takes too long.
 */
import { spawn, type SpawnOptions } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { askStatus, type DaemonStatus } from './control-socket.ts';
import { CliError, exitCodes } from './exit-codes.ts';
import { seconds, type Output } from './output.ts';
import type { Paths } from './paths.ts';

const POLL_MS = 50;
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
  const begin = Date.now();
  const shown = new Set<string>();
  for (;;) {
    const status = await askStatus(paths.controlSocket);
    const ours = status?.pid === child.pid ? status : undefined;
    for (const step of ours?.steps ?? []) {
      if (step.state === 'running' || shown.has(step.name)) continue;
      shown.add(step.name);
      if (step.state === 'done') output.step(step.name, step.ms, step.detail);
      else output.failedStep(step.name, step.ms, step.detail);
    }
    if (ours?.phase === 'running') return ours;
    if (exited !== undefined) {
      throw new CliError(
        `k8ts did not start (exit ${exited}):\n${tailOf(paths.log, logStart)}\nThe whole log: k8ts logs`,
        exited,
      );
    }
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

/** The last lines that the new process wrote. */
function tailOf(path: string, from: number): string {
  const text = readFileSync(path).subarray(from).toString('utf8').trimEnd();
  return text
    .split('\n')
    .slice(-8)
    .map(line => `  ${line}`)
    .join('\n');
}
