/** What the store's and the caches' failures are to a client. */
import { goQuote } from '../../../machinery/meta/go-quote.ts';
import {
  badRequest,
  expired,
  serviceUnavailable,
  StatusError,
  timeout,
  tooLarge,
} from '../../../machinery/meta/status-error.ts';
import { CompactedError, StoreUnavailableError, ValueTooLargeError } from '../../store/store.ts';

/** Parses a resourceVersion that names a revision. @throws StatusError BadRequest */
export function parseResourceVersion(text: string): number {
  const revision = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(revision)) {
    const why = `strconv.ParseUint: parsing ${goQuote(text)}: invalid syntax`;
    throw badRequest(`invalid resource version: resourceVersion: Invalid value: ${goQuote(text)}: ${why}`);
  }
  return revision;
}

/** 504: the client has seen a newer state than this server can show yet. */
export function tooLargeResourceVersion(wanted: number, current: number): StatusError {
  const error = timeout(`Too large resource version: ${wanted}, current: ${current}`, 1);
  const causes = [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }];
  return new StatusError(error.reason, error.code, error.message, { ...error.details, causes });
}

/** 410: history does not reach back that far. */
export function tooOldResourceVersion(wanted: number, oldest: number): StatusError {
  return expired(`too old resource version: ${wanted} (${oldest})`);
}

/** Whatever `work` rejects with, as a StatusError where it is the store's doing. */
export async function asStatus<R>(work: Promise<R>): Promise<R> {
  try {
    return await work;
  } catch (error) {
    // Nobody knows whether it happened: no client may take this for "try again".
    if (error instanceof StoreUnavailableError && error.reason === 'unknownOutcome') throw timeout(error.message);
    if (error instanceof StoreUnavailableError) throw serviceUnavailable(error.message, { cause: error });
    if (error instanceof ValueTooLargeError) throw tooLarge(error.message);
    if (error instanceof CompactedError) throw expired(`The resourceVersion for the provided list is too old.`);
    throw error;
  }
}
