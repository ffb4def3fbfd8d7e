/** `/healthz` and its checks. Source: apiserver `pkg/server/healthz`, 1.36. */
import type { Exchange } from '../exchange.ts';
import { HttpError, sendText } from '../exchange.ts';
import { getRoute, type Route } from '../route.ts';

export interface HealthCheck {
  readonly name: string;
  /** Undefined when all is well, else what is not. */
  check(): string | undefined;
}

/** @param problem what ails the kubelet, undefined when nothing does */
export function healthRoute(problem: () => string | undefined): Route {
  const well = (): undefined => undefined;
  // Logs go out before whoever writes them goes on: there is nothing that could lag.
  const checks = [
    { name: 'ping', check: well },
    { name: 'log', check: well },
    { name: 'syncloop', check: problem },
  ];
  return getRoute('healthz', exchange => health(exchange, checks));
}

function health({ segments, query, response }: Exchange, checks: readonly HealthCheck[]): void {
  const [, one, ...more] = segments;
  if (one !== undefined) {
    const named = checks.find(({ name }) => name === one);
    if (named === undefined || more.length > 0) throw new HttpError(404, '404 page not found');
    const wrong = named.check();
    if (wrong !== undefined) throw new HttpError(500, `internal server error: ${wrong}`);
    return sendText(response, 200, 'ok');
  }
  const excluded = new Set(query.getAll('exclude'));
  let failed = false;
  const lines = checks.map(({ name, check }) => {
    if (excluded.has(name)) return `[+]${name} excluded: ok\n`;
    const wrong = check();
    failed ||= wrong !== undefined;
    return wrong === undefined ? `[+]${name} ok\n` : `[-]${name} failed: ${wrong}\n`;
  });
  if (failed) return sendText(response, 500, `${lines.join('')}healthz check failed\n`);
  sendText(response, 200, query.has('verbose') ? `${lines.join('')}healthz check passed\n` : 'ok');
}
