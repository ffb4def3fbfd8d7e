/**
 * Where an audit log hooks in: told of each request once its answer is known. Nothing listens until one is configured.
 */
import type { Exchange, Filter } from '../server/exchange.ts';
import type { Response } from '../server/request.ts';

export interface AuditSink {
  /** Must not throw and must not block. */
  record(exchange: Exchange, response: Response): void;
}

export function audit(sink: AuditSink | undefined): Filter {
  if (sink === undefined) return (exchange, next) => next(exchange);
  return async (exchange, next) => {
    const response = await next(exchange);
    sink.record(exchange, response);
    return response;
  };
}
