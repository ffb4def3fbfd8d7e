/** Why a packet-filter command could not do what was asked; branch on it, not on the text. */
export type CommandFailure =
  /** The program is not installed or not on the PATH. */
  | 'missing'
  /** Another process held the xtables lock for longer than the wait. */
  | 'locked'
  /** Not root, or a capability is lacking. */
  | 'permission'
  /** The input was understood to be wrong; nothing of that table was changed. */
  | 'refused'
  /** It did not end in time and was killed. */
  | 'timeout';

const NEXT_STEP: Record<CommandFailure, string> = {
  missing: 'install it (Debian: iptables, nftables, ipset, conntrack) or put it on the PATH',
  locked: 'another process holds the xtables lock; it is tried again',
  permission: 'run as root with CAP_NET_ADMIN',
  refused: 'nothing was changed',
  timeout: 'it was stopped; the kernel or another process is slow',
};

/** A packet-filter command failed. The message names the command, the cause and, for restores, the input line. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly argv: readonly string[];
  /** -1 if it never ran or was killed. */
  readonly exitCode: number;
  readonly stderr: string;
  readonly failure: CommandFailure;
  /** The line of input that was refused, where the command said which. */
  readonly inputLine: string | undefined;

  constructor(
    failure: CommandFailure,
    detail: {
      argv: readonly string[];
      exitCode: number;
      stderr: string;
      inputLine?: string | undefined;
      cause?: unknown;
    },
  ) {
    const line = detail.inputLine === undefined ? '' : `; line: ${detail.inputLine}`;
    const said = detail.stderr.trim() === '' ? '' : `: ${detail.stderr.trim().slice(0, 500)}`;
    super(
      `${detail.argv.join(' ')} failed (${failure}, exit code ${detail.exitCode})${said}${line}; ${NEXT_STEP[failure]}`,
      { cause: detail.cause },
    );
    this.argv = detail.argv;
    this.exitCode = detail.exitCode;
    this.stderr = detail.stderr;
    this.failure = failure;
    this.inputLine = detail.inputLine;
  }
}
