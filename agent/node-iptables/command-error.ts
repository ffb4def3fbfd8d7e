/** Why a packet-filter command could not do what was asked; branch on it, not on the text. */
export type CommandFailure =
  /** The program is not installed or not on the PATH. */
  | 'missing'
  /** The kernel has no such packet filter or table. */
  | 'unsupported'
  /** Another process held the xtables lock for longer than the wait. */
  | 'locked'
  /** Not root, or a capability is lacking. */
  | 'permission'
  /** The input was understood to be wrong. */
  | 'refused'
  /** It did not end in time and was killed. */
  | 'timeout'
  /** Somebody else killed it, or it crashed. */
  | 'killed'
  /** It printed more than it may, and was killed. */
  | 'tooMuchOutput'
  /** It could not be started: no process, memory or file descriptor was left. */
  | 'exhausted';

/** What is known of a failure. */
export interface CommandFailureDetail {
  readonly argv: readonly string[];
  /** -1 if it never ran or was killed. */
  readonly exitCode: number;
  readonly stderr: string;
  readonly lineNumber?: number | undefined;
  readonly inputLine?: string | undefined;
  readonly cause?: unknown;
}

/**
 * A packet-filter command failed. The message names the command, the cause, the input line where the command said which, what
 * became of the rest and what to do.
 */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly argv: readonly string[];
  readonly exitCode: number;
  readonly stderr: string;
  readonly failure: CommandFailure;
  /** From 1; of the input that was refused, where the command said which. iptables may name the line after. */
  readonly lineNumber: number | undefined;
  /** That line, or of a long one the part that was meant. */
  readonly inputLine: string | undefined;

  constructor(failure: CommandFailure, detail: CommandFailureDetail) {
    const line = detail.inputLine === undefined ? '' : `; line ${detail.lineNumber}: ${detail.inputLine}`;
    const said = detail.stderr.trim() === '' ? '' : `: ${detail.stderr.trim().slice(0, 500)}`;
    super(
      `${detail.argv.join(' ')} failed (${failure}, exit code ${detail.exitCode})${said}${line}; ${nextStep(failure, detail.argv)}`,
      { cause: detail.cause },
    );
    this.argv = detail.argv;
    this.exitCode = detail.exitCode;
    this.stderr = detail.stderr;
    this.failure = failure;
    this.lineNumber = detail.lineNumber;
    this.inputLine = detail.inputLine;
  }
}

function nextStep(failure: CommandFailure, argv: readonly string[]): string {
  switch (failure) {
    case 'missing':
      return 'install it (Debian: iptables, nftables, ipset, conntrack) or put it on the PATH';
    case 'unsupported':
      return 'use a kernel that has it, or another packet filter';
    case 'locked':
      return 'another process holds the xtables lock; nothing was changed; try again';
    case 'permission':
      return 'run as root with CAP_NET_ADMIN';
    case 'refused':
      return whatStays(argv);
    case 'timeout':
      return `it was stopped; the kernel or another process is slow; ${whatStays(argv)}`;
    case 'killed':
      return `look in the kernel's log for lack of memory; ${whatStays(argv)}`;
    case 'tooMuchOutput':
      return 'ask for less, or raise maxOutputBytes';
    case 'exhausted':
      return 'nothing was changed; see which limit of processes, memory or open files was reached';
  }
}

// nft takes its input as one transaction, iptables-restore one a table, ipset one a line.
function whatStays(argv: readonly string[]): string {
  if (argv.includes('ipset')) return 'lines before it may have been carried out';
  if (argv.some(word => word.endsWith('-restore'))) return 'its table was not changed, tables before it were';
  return 'nothing was changed';
}
