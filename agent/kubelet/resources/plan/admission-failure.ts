/** Why a pod's resources cannot be had, with the reason that its status shows. */

/** `message` is what clients read after "Allocate failed due to". */
export class NotEnoughError extends Error {
  override readonly name = 'NotEnoughError';
}

/** A failure with a reason of its own: `SMTAlignmentError`. */
export class AdmissionFailure extends Error {
  override readonly name = 'AdmissionFailure';
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}
