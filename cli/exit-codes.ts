/** Exit codes that scripts can rely on (docs/cli.md lists them). */
export const exitCodes = {
  ok: 0,
  /** Something was tried and failed. */
  failed: 1,
  /** The command line or the configuration is wrong; nothing was tried. */
  usage: 2,
  /** k8ts is not running here (status, down of nothing is 0). */
  notRunning: 3,
  /** Another k8ts runs here already. */
  alreadyRunning: 4,
  /** Root is needed. */
  notRoot: 5,
  /** It took longer than allowed. */
  timedOut: 6,
} as const;

/** An error whose message is all that the user needs: printed without a stack, and the process exits with `exitCode`. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exitCode: number;

  constructor(message: string, exitCode: number = exitCodes.failed, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}
