/** The one error of commands: everything a person needs to see why, nothing that code must parse. */

/** What is known of a command that did not succeed. */
export interface CommandFailure {
  readonly argv: readonly string[];
  /** Undefined when it never ran or was killed. */
  readonly exitCode: number | undefined;
  readonly killedBy: NodeJS.Signals | undefined;
  /** Why `run` itself gave up: not found, timeout, too much output. */
  readonly reason: string | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly durationMs: number;
}

const MAX_QUOTED_CHARS = 500;

/** A command that could not be started, exited with a code other than 0, or was killed. */
export class CommandError extends Error implements CommandFailure {
  override readonly name = 'CommandError';
  readonly argv: readonly string[];
  readonly exitCode: number | undefined;
  readonly killedBy: NodeJS.Signals | undefined;
  readonly reason: string | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly durationMs: number;

  constructor(failure: CommandFailure, options?: ErrorOptions) {
    super(describe(failure), options);
    this.argv = failure.argv;
    this.exitCode = failure.exitCode;
    this.killedBy = failure.killedBy;
    this.reason = failure.reason;
    this.stdout = failure.stdout;
    this.stderr = failure.stderr;
    this.durationMs = failure.durationMs;
  }
}

function describe(failure: CommandFailure): string {
  const outcome =
    failure.reason ??
    (failure.killedBy === undefined ? `exit code ${failure.exitCode}` : `killed by ${failure.killedBy}`);
  const said = (failure.stderr.trim() || failure.stdout.trim()).slice(0, MAX_QUOTED_CHARS);
  const command = failure.argv.join(' ').slice(0, MAX_QUOTED_CHARS);
  return `Command "${command}" failed after ${failure.durationMs} ms: ${outcome}${said === '' ? '' : `: ${said}`}`;
}
