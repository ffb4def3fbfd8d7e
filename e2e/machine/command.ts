/** Runs programs of the host: bounded in time, output captured, failure told with all that was said. */
import { spawn } from 'node:child_process';

export interface CommandResult {
  /** Exit code; -1 for a program that was killed. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly input?: string | Buffer;
  /** Standard input stays open until the program ends. */
  readonly holdInput?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly cwd?: string;
}

const DEFAULT_TIMEOUT_MS = 60_000;
const PIPE_MS = 1_000;
const MAX_LINE = 1_000;

/** Without stack traces: a test runner would show the source around each line of theirs. */
export function readable(text: string): string {
  return text
    .split('\n')
    .filter(line => !/^\s+at /.test(line))
    .map(line => line.slice(0, MAX_LINE))
    .join('\n');
}

/** A program that ended otherwise than it should. */
export class FailedCommand extends Error {
  override readonly name = 'FailedCommand';
  readonly result: CommandResult;

  constructor(argv: readonly string[], result: CommandResult) {
    super(readable(`${argv.join(' ')}\nexit ${result.code}\n${result.stdout}${result.stderr}`));
    this.result = result;
  }
}

/** Never throws for an exit code; a program that takes too long is killed and has code -1. */
export function tryRun(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const [program = '', ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    const [out, err]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    const { timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    const timer = setTimeout(() => {
      err.push(Buffer.from(`\n(killed after ${timeoutMs} ms)\n`));
      child.kill('SIGKILL');
    }, timeoutMs);
    child.once('error', error => {
      clearTimeout(timer);
      reject(error);
    });
    const finish = (code: number | null): void => {
      clearTimeout(timer);
      child.stdout.destroy();
      child.stderr.destroy();
      resolve({ code: code ?? -1, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() });
    };
    child.once('close', finish);
    // A daemon that it left behind may hold the pipes open; what that says is not ours to wait for.
    child.once('exit', code => setTimeout(() => finish(code), PIPE_MS).unref());
    child.stdin.on('error', () => {});
    if (options.holdInput === true) child.stdin.write(options.input ?? '');
    else child.stdin.end(options.input);
  });
}

/** @returns standard output @throws FailedCommand on any exit code but 0 */
export async function run(argv: readonly string[], options: CommandOptions = {}): Promise<string> {
  const result = await tryRun(argv, options);
  if (result.code !== 0) throw new FailedCommand(argv, result);
  return result.stdout;
}
