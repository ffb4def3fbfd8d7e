/**
 * Bounds how many requests are worked on at once: above the limit a client is told to come back (429). Watches and other long-running
 * requests are not counted, nor are callers in this process.
 */
import { tooManyRequests } from '../../../machinery/meta/status-error.ts';
import type { Filter } from '../server/exchange.ts';

export interface InFlightLimits {
  readonly readOnly: number;
  readonly mutating: number;
}

/** Upstream's defaults. */
export const DEFAULT_IN_FLIGHT: InFlightLimits = { readOnly: 400, mutating: 200 };

const READ_VERBS = new Set(['get', 'list', 'watch']);

export function inFlight(limits: InFlightLimits): Filter {
  const running = { readOnly: 0, mutating: 0 };
  return async (exchange, next) => {
    const { info, request, user } = exchange;
    if (info.longRunning || request.identity !== undefined || user.groups.includes('system:masters'))
      return next(exchange);
    const lane = READ_VERBS.has(info.verb) ? 'readOnly' : 'mutating';
    if (running[lane] >= limits[lane]) throw tooManyRequests('too many requests, please try again later', 1);
    running[lane]++;
    try {
      return await next(exchange);
    } finally {
      running[lane]--;
    }
  };
}
