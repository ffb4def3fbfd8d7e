/** Runs one packet-filter command to its end. The one place of this package that starts processes. */
import { spawn } from 'node:child_process';
import { CommandError } from './command-error.ts';
import type { CommandFailure } from './command-error.ts';

/** How commands are run. */
export interface CommandOptions {
  /** Words put before every command: `['nsenter', '--net=/run/netns/a']`. */
  readonly prefix?: readonly string[];
  /** Killed after this; default 60 s. */
  readonly timeoutMs?: number;
}

/** What a command said. */
export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

const LINE_FAILED = /line[ :]+(\d+)/i;

/**
 * @param okCodes exit codes that are no failure
 * @throws CommandError
 */
export function runCommand(
  argv: readonly string[],
  input = '',
  options: CommandOptions = {},
  okCodes: readonly number[] = [0],
): Promise<CommandResult> {
  const full = [...(options.prefix ?? []), ...argv];
  return new Promise((resolve, reject) => {
    const child = spawn(full[0] ?? '', full.slice(1), { stdio: ['pipe', 'pipe', 'pipe'] });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
    }, options.timeoutMs ?? 60_000);
    child.stdout.on('data', (data: Buffer) => stdout.push(data));
    child.stderr.on('data', (data: Buffer) => stderr.push(data));
    // The command may end before it has read everything; its exit code then says why.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    child.on('error', cause => {
      clearTimeout(timer);
      const failure: CommandFailure = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'missing' : 'permission';
      reject(new CommandError(failure, { argv: full, exitCode: -1, stderr: cause.message, cause }));
    });
    child.on('close', code => {
      clearTimeout(timer);
      const exitCode = code ?? -1;
      const result = { exitCode, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() };
      if (!timedOut && okCodes.includes(exitCode)) return resolve(result);
      const failure = timedOut ? 'timeout' : classify(exitCode, result.stderr);
      reject(new CommandError(failure, { argv: full, ...result, inputLine: refusedLine(result.stderr, input) }));
    });
  });
}

// The commands' own language: 4 is the documented code for a lock held or resource trouble; for lack of rights there is none.
function classify(exitCode: number, stderr: string): CommandFailure {
  if (exitCode === 127) return 'missing';
  if (/xtables lock/i.test(stderr)) return 'locked';
  if (/permission denied|operation not permitted|you must be root/i.test(stderr)) return 'permission';
  return 'refused';
}

function refusedLine(stderr: string, input: string): string | undefined {
  const line = LINE_FAILED.exec(stderr)?.[1];
  return line === undefined ? undefined : input.split('\n')[Number(line) - 1];
}
