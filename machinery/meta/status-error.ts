/**
 * The one error of the API: a metav1 Status that can be thrown.
 *
 * Reason, code and message are wire behaviour; branch on `reason`, never on text.
 * Source: apimachinery `api/errors/errors.go`, 1.36.
 */
import { errorText } from './error-text.ts';
import { aggregateText, type FieldError } from './field-error.ts';
import { goQuote } from './go-quote.ts';

/** metav1.StatusReason. */
export type StatusReason =
  | ''
  | 'Unauthorized'
  | 'Forbidden'
  | 'NotFound'
  | 'AlreadyExists'
  | 'Conflict'
  | 'Gone'
  | 'Invalid'
  | 'ServerTimeout'
  | 'StoreReadError'
  | 'Timeout'
  | 'TooManyRequests'
  | 'BadRequest'
  | 'MethodNotAllowed'
  | 'NotAcceptable'
  | 'RequestEntityTooLarge'
  | 'UnsupportedMediaType'
  | 'InternalError'
  | 'Expired'
  | 'ServiceUnavailable';

/** One cause inside a Status. */
export interface StatusCause {
  reason?: string;
  message?: string;
  field?: string;
}

/** metav1.StatusDetails. `kind` is the resource or the kind that the message names. */
export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: StatusCause[];
  retryAfterSeconds?: number;
}

/** A failure as it goes over the wire. */
export interface FailureStatus {
  kind: 'Status';
  apiVersion: 'v1';
  metadata: Record<string, never>;
  status: 'Failure';
  message: string;
  reason?: StatusReason;
  details?: StatusDetails;
  code: number;
}

/** Names a resource: `{ group: 'apps', resource: 'deployments' }`; the core group is ''. */
export interface GroupResource {
  readonly group: string;
  readonly resource: string;
}

/** Names a kind: `{ group: 'apps', kind: 'Deployment' }`; the core group is ''. */
export interface GroupKind {
  readonly group: string;
  readonly kind: string;
}

/** An API failure. */
export class StatusError extends Error {
  readonly reason: StatusReason;
  /** HTTP status code. */
  readonly code: number;
  readonly details: StatusDetails | undefined;

  constructor(reason: StatusReason, code: number, message: string, details?: StatusDetails, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StatusError';
    this.reason = reason;
    this.code = code;
    this.details = details;
  }

  /** The Status object to send. */
  toStatus(): FailureStatus {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: this.message,
      ...(this.reason === '' ? {} : { reason: this.reason }),
      ...(this.details === undefined ? {} : { details: this.details }),
      code: this.code,
    };
  }
}

const MODIFIED = 'the object has been modified; please apply your changes to the latest version and try again';

/** 404: `pods "x" not found`. */
export function notFound(resource: GroupResource, name: string): StatusError {
  return new StatusError('NotFound', 404, `${qualified(resource)} ${goQuote(name)} not found`, named(resource, name));
}

/** 409: `pods "x" already exists`. */
export function alreadyExists(resource: GroupResource, name: string): StatusError {
  const message = `${qualified(resource)} ${goQuote(name)} already exists`;
  return new StatusError('AlreadyExists', 409, message, named(resource, name));
}

/** 409: no free name was found for a generateName. */
export function generateNameConflict(resource: GroupResource, name: string, retryAfterSeconds: number): StatusError {
  const why = 'the server was not able to generate a unique name for the object';
  const message = `${qualified(resource)} ${goQuote(name)} already exists, ${why}`;
  return new StatusError('AlreadyExists', 409, message, { ...named(resource, name), retryAfterSeconds });
}

/** 409: `Operation cannot be fulfilled on pods "x": why`; without `why` the text of a lost optimistic lock. */
export function conflict(resource: GroupResource, name: string, why: string = MODIFIED): StatusError {
  const message = `Operation cannot be fulfilled on ${qualified(resource)} ${goQuote(name)}: ${why}`;
  return new StatusError('Conflict', 409, message, named(resource, name));
}

/** 409: a server-side apply met fields of other managers. */
export function applyConflict(causes: StatusCause[], message: string): StatusError {
  return new StatusError('Conflict', 409, message, { causes });
}

/** 422: `Pod "x" is invalid: spec.a: Required value`, several as `[a, b]`, with one cause each. */
export function invalid(kind: GroupKind, name: string, errors: readonly FieldError[]): StatusError {
  const what = `${kind.group === '' ? kind.kind : `${kind.kind}.${kind.group}`} ${goQuote(name)} is invalid`;
  const causes = errors.map(e => ({ reason: e.type, message: e.body, field: e.field }));
  const details: StatusDetails = { ...groupOf(kind.group), ...nameOf(name), kind: kind.kind };
  if (causes.length > 0) details.causes = causes;
  const message = errors.length === 0 ? what : `${what}: ${aggregateText(errors)}`;
  return new StatusError('Invalid', 422, message, details);
}

/** 400 with `message` as it is. */
export function badRequest(message: string, options?: ErrorOptions): StatusError {
  return new StatusError('BadRequest', 400, message, undefined, options);
}

/** 403: `pods "x" is forbidden: why`; shorter without a name or a resource. */
export function forbidden(resource: GroupResource, name: string, why: string): StatusError {
  const what =
    resource.resource === ''
      ? 'forbidden'
      : `${qualified(resource)}${name === '' ? '' : ` ${goQuote(name)}`} is forbidden`;
  return new StatusError('Forbidden', 403, `${what}: ${why}`, named(resource, name));
}

/** 401. */
export function unauthorized(message = 'Unauthorized'): StatusError {
  return new StatusError('Unauthorized', 401, message);
}

/** 410 Expired: a resource version or continue token that is too old. */
export function expired(message: string): StatusError {
  return new StatusError('Expired', 410, message);
}

/** 500: `Internal error occurred: ...`. */
export function internalError(error: unknown): StatusError {
  const text = errorText(error);
  const details = { causes: [{ message: text }] };
  return new StatusError('InternalError', 500, `Internal error occurred: ${text}`, details, { cause: error });
}

/** 413: `Request entity too large: ...`. */
export function tooLarge(message: string): StatusError {
  return new StatusError('RequestEntityTooLarge', 413, `Request entity too large: ${message}`);
}

/** 415, naming the media types that a body may have. */
export function unsupportedMediaType(accepted: readonly string[]): StatusError {
  const why = 'the body of the request was in an unknown format - accepted media types include';
  return new StatusError('UnsupportedMediaType', 415, `${why}: ${accepted.join(', ')}`);
}

/** 406, naming the media types that the server can answer with. */
export function notAcceptable(accepted: readonly string[]): StatusError {
  return new StatusError('NotAcceptable', 406, `only the following media types are accepted: ${accepted.join(', ')}`);
}

/** 503. */
export function serviceUnavailable(message: string, options?: ErrorOptions): StatusError {
  return new StatusError('ServiceUnavailable', 503, message, undefined, options);
}

/** 504: `Timeout: ...`. */
export function timeout(message: string, retryAfterSeconds = 0): StatusError {
  return new StatusError('Timeout', 504, `Timeout: ${message}`, retry(retryAfterSeconds));
}

/** 429. */
export function tooManyRequests(message: string, retryAfterSeconds: number): StatusError {
  return new StatusError('TooManyRequests', 429, message, retry(retryAfterSeconds));
}

function qualified(resource: GroupResource): string {
  return resource.group === '' ? resource.resource : `${resource.resource}.${resource.group}`;
}

function named(resource: GroupResource, name: string): StatusDetails {
  const kind = resource.resource === '' ? {} : { kind: resource.resource };
  return { ...nameOf(name), ...groupOf(resource.group), ...kind };
}

function nameOf(name: string): StatusDetails {
  return name === '' ? {} : { name };
}

function groupOf(group: string): StatusDetails {
  return group === '' ? {} : { group };
}

function retry(seconds: number): StatusDetails {
  return seconds > 0 ? { retryAfterSeconds: seconds } : {};
}
