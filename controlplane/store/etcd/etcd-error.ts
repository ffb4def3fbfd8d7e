/**
 * What etcd's refusals and gRPC's failures mean here. etcd tells its errors apart by their text alone: the texts stand in this file and nowhere else.
 * Source: etcd 3.4 and 3.5, `etcdserver/api/v3rpc/rpctypes`.
 */
import { status, type ServiceError } from '@grpc/grpc-js';
import { errorText } from '../../../machinery/meta/error-text.ts';
import { StoreUnavailableError, ValueTooLargeError } from '../store.ts';

/**
 * - `compacted`, `future`, `leaseGone`, `leaseExists`: etcd's answer to this very request.
 * - `notNow`: nothing was done; any member may do it soon (no leader, too many requests).
 * - `dropped`: the connection went away under the call, so nobody knows what was done; a new one may do.
 * - `silent`: no connection, or no answer in time: nobody knows what was done; another member may answer.
 * - `refused`: no member will do it as things are; `unavailable` says why.
 */
export type EtcdFailure =
  'compacted' | 'future' | 'leaseGone' | 'leaseExists' | 'notNow' | 'dropped' | 'silent' | 'refused';

/** One call that failed at one member. */
export class EtcdError extends Error {
  override readonly name = 'EtcdError';
  readonly failure: EtcdFailure;
  /** What to say to whoever asked, where the request is refused for good. */
  readonly refusal: Error | undefined;

  constructor(failure: EtcdFailure, message: string, cause?: unknown, refusal?: Error) {
    super(message, cause === undefined ? undefined : { cause });
    this.failure = failure;
    this.refusal = refusal;
  }
}

const ANSWERS: Readonly<Record<string, EtcdFailure>> = {
  'etcdserver: mvcc: required revision has been compacted': 'compacted',
  'etcdserver: mvcc: required revision is a future revision': 'future',
  'etcdserver: requested lease not found': 'leaseGone',
  'etcdserver: lease already exists': 'leaseExists',
  'etcdserver: no leader': 'notNow',
  'etcdserver: leader changed': 'notNow',
  'etcdserver: too many requests': 'notNow',
  'etcdserver: rpc not supported for learner': 'notNow',
  'raft proposal dropped': 'notNow',
};

/** grpc-js's words around the reason why there is no connection. */
const NO_CONNECTION = /^No connection established\. Last error: (?:Error: )?(.*?)\. Resolution note: .*$/s;
/** What Node.js and OpenSSL say of connections that can never come about, and what to look at. */
const HINTS: readonly (readonly [RegExp, string])[] = [
  [
    /wrong version number|disconnected before secure TLS connection was established/,
    ' (does it speak plain HTTP? then its URL begins with http:)',
  ],
  [/Last error: Failed to connect/, ' (does it speak TLS? then its URL begins with https:)'],
  [
    /unable to verify the first certificate|self-signed certificate|unable to get (local )?issuer/,
    ' (--etcd-cafile names who signed its certificate)',
  ],
  [
    /alert bad certificate|alert certificate required|alert unknown ca/,
    ' (it asks for a certificate of its own authority: --etcd-certfile, --etcd-keyfile)',
  ],
];
const NO_SPACE = 'etcdserver: mvcc: database space exceeded';
const TOO_LARGE = /^etcdserver: request is too large$|larger than max/;

/** @param endpoint URL of the member that was asked */
export function etcdError(error: unknown, endpoint: string): EtcdError {
  if (error instanceof EtcdError) return error;
  if (!isServiceError(error)) return new EtcdError('silent', `${endpoint}: ${errorText(error)}`, error);
  return failureOf(error.code, error.details, endpoint, error);
}

/** @param details etcd's own words, also where a watch carries them instead of a status */
export function failureOf(code: status, details: string, endpoint: string, cause?: unknown): EtcdError {
  const hint = HINTS.find(([pattern]) => pattern.test(details))?.[1] ?? '';
  const say = `${endpoint}: ${details.replace(NO_CONNECTION, '$1')}${hint}`;
  const answer = ANSWERS[details];
  if (answer !== undefined) return new EtcdError(answer, say, cause);
  const refuse = (refusal: Error): EtcdError => new EtcdError('refused', say, cause, refusal);
  if (details === NO_SPACE) {
    return refuse(
      new StoreUnavailableError(
        'full',
        `etcd at ${endpoint} takes no writes: ${details}; compact and defragment it or raise --quota-backend-bytes, then: etcdctl alarm disarm`,
        cause,
      ),
    );
  }
  if (TOO_LARGE.test(details)) {
    return refuse(
      new ValueTooLargeError(`etcd at ${endpoint} refuses it (${details}); see etcd's --max-request-bytes`),
    );
  }
  if (code === status.PERMISSION_DENIED || code === status.UNAUTHENTICATED || code === status.INVALID_ARGUMENT) {
    return refuse(
      new StoreUnavailableError(
        'denied',
        `etcd at ${endpoint} refuses the request: ${details}; the user in --etcd-certfile needs a role that may read and write all keys under --etcd-prefix`,
        cause,
      ),
    );
  }
  if (code === status.DATA_LOSS) {
    const message = `etcd at ${endpoint} is corrupt: ${details}; restore the member from a snapshot`;
    return refuse(new StoreUnavailableError('corrupt', message, cause));
  }
  const isDropped = code === status.UNAVAILABLE && !details.startsWith('etcdserver: ');
  return new EtcdError(isDropped ? 'dropped' : 'silent', say, cause);
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && 'details' in error;
}
