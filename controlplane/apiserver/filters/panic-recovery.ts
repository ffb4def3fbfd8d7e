/**
 * Turns whatever was thrown behind it into a Status: a StatusError as it is, anything else as InternalError, logged with its stack.
 */
import { internalError, StatusError } from '../../../machinery/meta/status-error.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { Filter } from '../server/exchange.ts';
import type { ObjectResponse } from '../server/request.ts';

export function panicRecovery(logger: Logger): Filter {
  return async (exchange, next) => {
    try {
      return await next(exchange);
    } catch (error) {
      if (error instanceof StatusError) return statusResponse(error);
      if (error instanceof Error && error.name === 'AbortError') {
        return statusResponse(
          new StatusError('Timeout', 504, 'Timeout: request did not complete within the allotted timeout'),
        );
      }
      const { method, path } = exchange.request;
      logger.error({ err: error, method, path }, 'A request failed for a reason the API server did not expect');
      return statusResponse(internalError(error));
    }
  };
}

/** The answer that tells `error`. */
export function statusResponse(error: StatusError): ObjectResponse {
  const retryAfter = error.details?.retryAfterSeconds;
  const headers = retryAfter === undefined ? undefined : { 'retry-after': String(retryAfter) };
  return { kind: 'object', status: error.code, object: error.toStatus(), headers };
}
