/**
 * StatusErrors as a client gets them: from a Status body, or from an answer that has none; and the questions one asks.
 * Source: apimachinery `api/errors/errors.go` (FromObject, NewGenericServerResponse, Is...).
 */
import { isJsonObject } from './json-value.ts';
import { StatusError, type StatusDetails, type StatusReason } from './status-error.ts';

const BY_CODE: ReadonlyMap<number, readonly [StatusReason, string]> = new Map([
  [400, ['BadRequest', 'the server rejected our request for an unknown reason']],
  [401, ['Unauthorized', 'the server has asked for the client to provide credentials']],
  [403, ['Forbidden', 'the server does not allow access to the requested resource']],
  [404, ['NotFound', 'the server could not find the requested resource']],
  [405, ['MethodNotAllowed', 'the server does not allow this method on the requested resource']],
  [406, ['NotAcceptable', 'the server was unable to respond with a content type that the client supports']],
  [409, ['Conflict', 'the server reported a conflict']],
  [410, ['Expired', 'the server reported that the requested version has expired']],
  [413, ['RequestEntityTooLarge', 'the request is too large']],
  [415, ['UnsupportedMediaType', 'the server was unable to process the content type of the request']],
  [422, ['Invalid', 'the server rejected our request due to an error in our request']],
  [429, ['TooManyRequests', 'the server has received too many requests and has asked us to try again later']],
  [500, ['InternalError', 'an error on the server has prevented the request from succeeding']],
  [503, ['ServiceUnavailable', 'the server is currently unable to handle the request']],
  [
    504,
    [
      'Timeout',
      'the server was unable to return a response in the time allotted, but may still be processing the request',
    ],
  ],
]);

/** The error that a Status body tells; other bodies give the text of their HTTP code, with the body as its cause. */
export function statusErrorFrom(body: unknown, httpCode = 500): StatusError {
  if (!isJsonObject(body) || body['kind'] !== 'Status') return genericServerError(httpCode, body);
  const code = typeof body['code'] === 'number' && body['code'] > 0 ? body['code'] : httpCode;
  const message = typeof body['message'] === 'string' ? body['message'] : (BY_CODE.get(code)?.[1] ?? 'unknown');
  const reason = (typeof body['reason'] === 'string' ? body['reason'] : '') as StatusReason;
  const details = isJsonObject(body['details']) ? (body['details'] as StatusDetails) : undefined;
  return new StatusError(reason, code, message, details);
}

/** The error for an answer without a Status body. */
export function genericServerError(httpCode: number, body: unknown): StatusError {
  const known = BY_CODE.get(httpCode) ?? (httpCode >= 500 ? BY_CODE.get(500) : undefined);
  const [reason, text] =
    known ??
    (['', `the server responded with the status code ${httpCode} but did not return more information`] as const);
  const shown = typeof body === 'string' ? body.trim().slice(0, 2048) : '';
  const details: StatusDetails =
    shown === '' ? {} : { causes: [{ reason: 'UnexpectedServerResponse', message: shown }] };
  return new StatusError(reason, httpCode, text, details);
}

/** Whether `error` is a StatusError of one of `reasons`. */
export function hasReason(error: unknown, ...reasons: readonly StatusReason[]): error is StatusError {
  return error instanceof StatusError && reasons.includes(error.reason);
}

/** The object does not exist. */
export function isNotFound(error: unknown): error is StatusError {
  return hasReason(error, 'NotFound');
}

/** For `.catch()`: what is not there is undefined, everything else stays an error. */
export function absent(error: unknown): undefined {
  if (!isNotFound(error)) throw error;
  return undefined;
}

/** An object of that name exists. */
export function isAlreadyExists(error: unknown): error is StatusError {
  return hasReason(error, 'AlreadyExists');
}

/** Somebody else changed the object, or a precondition failed. */
export function isConflict(error: unknown): error is StatusError {
  return hasReason(error, 'Conflict');
}

/** The caller may not do this. */
export function isForbidden(error: unknown): error is StatusError {
  return hasReason(error, 'Forbidden');
}

/** The resource version is too old: list again. */
export function isExpired(error: unknown): error is StatusError {
  return hasReason(error, 'Expired', 'Gone');
}

/** The server is not able to answer now; trying again is right. */
export function isTransient(error: unknown): error is StatusError {
  return hasReason(error, 'Timeout', 'ServerTimeout', 'TooManyRequests', 'ServiceUnavailable', 'InternalError');
}
