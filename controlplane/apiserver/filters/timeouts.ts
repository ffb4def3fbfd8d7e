/**
 * Ends the wait for a request that is not long-running after a minute (or the client's own `timeout`). Work that has begun goes on;
 * a write may still succeed, which is what the message says.
 */
import { timeout } from '../../../machinery/meta/status-error.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Filter } from '../server/exchange.ts';

const REQUEST_TIMEOUT_MS = 60_000;
const MESSAGE = 'request did not complete within the allotted timeout';

export function timeouts(clock: Clock): Filter {
  return (exchange, next) => {
    // Nothing but a socket can be kept waiting; callers in process bring their own signal.
    if (exchange.info.longRunning || exchange.request.identity !== undefined) return next(exchange);
    return new Promise((resolve, reject) => {
      const cancel = clock.after(REQUEST_TIMEOUT_MS, () => reject(timeout(MESSAGE)));
      next(exchange).then(resolve, reject).finally(cancel);
    });
  };
}
