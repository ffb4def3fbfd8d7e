/** The one error of container runtimes, whatever runtime stands behind the services. */
import { errorText } from '../../../machinery/meta/error-text.ts';

/** gRPC's status codes, in Go's spelling, as runtimes' documentation uses them. */
export const GRPC_CODES = [
  'OK',
  'Canceled',
  'Unknown',
  'InvalidArgument',
  'DeadlineExceeded',
  'NotFound',
  'AlreadyExists',
  'PermissionDenied',
  'ResourceExhausted',
  'FailedPrecondition',
  'Aborted',
  'OutOfRange',
  'Unimplemented',
  'Internal',
  'Unavailable',
  'DataLoss',
  'Unauthenticated',
] as const;

/** One gRPC status code. */
export type GrpcCode = (typeof GRPC_CODES)[number];

/** A call that the runtime refused, failed, or did not answer in time. Branch on `grpcCode`, never on the text. */
export class RuntimeError extends Error {
  override readonly name = 'RuntimeError';
  readonly grpcCode: GrpcCode;
  /** The CRI call, for example `RunPodSandbox`. */
  readonly method: string;
  /** What the runtime said, without prefix: this is what events show. */
  readonly detail: string;
  readonly durationMs: number;

  constructor(grpcCode: GrpcCode, method: string, detail: string, durationMs: number, options?: ErrorOptions) {
    super(`${method} failed after ${Math.round(durationMs)} ms: ${grpcCode}: ${detail}`, options);
    this.grpcCode = grpcCode;
    this.method = method;
    this.detail = detail;
    this.durationMs = durationMs;
  }
}

/** Whether `error` says that the container, sandbox or image does not exist: success for whoever wants it gone. */
export function isNotFound(error: unknown): boolean {
  return error instanceof RuntimeError && error.grpcCode === 'NotFound';
}

/** Whether `error` says that the runtime is away (starting, restarting, stopped): the same call may succeed later. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof RuntimeError && error.grpcCode === 'Unavailable';
}

/** Whether `error` says that this runtime does not know the call. */
export function isUnimplemented(error: unknown): boolean {
  return error instanceof RuntimeError && error.grpcCode === 'Unimplemented';
}

/** What the runtime said, without prefix; of other errors their message. This is what events and statuses show. */
export function detailOf(error: unknown): string {
  return error instanceof RuntimeError ? error.detail : errorText(error);
}
