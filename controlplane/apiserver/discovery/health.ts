/**
 * /healthz, /livez and /readyz with named checks, in upstream's text form.
 * Source: apiserver `pkg/server/healthz`.
 */
import type { Exchange } from '../server/exchange.ts';
import type { Response } from '../server/request.ts';

export interface HealthCheck {
  readonly name: string;
  /** Throws when it is not well. */
  check(): void | Promise<void>;
}

const TEXT = 'text/plain; charset=utf-8';

/** Answers `path` (`/readyz`, `/readyz/etcd`); undefined: not a health path. */
export async function healthResponse(
  exchange: Exchange,
  endpoint: string,
  checks: readonly HealthCheck[],
): Promise<Response | undefined> {
  const { path, query } = exchange.request;
  const rest = path.slice(endpoint.length + 1).replace(/^\//, '');
  if (rest !== '') {
    const one = checks.find(check => check.name === rest);
    if (one === undefined) return undefined;
    const [result] = await run([one]);
    return text(
      result?.error === undefined ? 200 : 500,
      result?.error === undefined ? 'ok' : `internal server error: ${result.error}`,
    );
  }
  const excluded = new Set(query.getAll('exclude'));
  const results = await run(checks.filter(check => !excluded.has(check.name)));
  const failed = results.some(result => result.error !== undefined);
  const name = endpoint.slice(1);
  if (!failed && !query.has('verbose')) return text(200, 'ok');
  const lines = results.map(r => (r.error === undefined ? `[+]${r.name} ok` : `[-]${r.name} failed: reason withheld`));
  for (const check of excluded) lines.push(`[+]${check} excluded: ok`);
  lines.push(failed ? `${name} check failed` : `${name} check passed`);
  return text(failed ? 500 : 200, `${lines.join('\n')}\n`);
}

interface Result {
  readonly name: string;
  readonly error: string | undefined;
}

function run(checks: readonly HealthCheck[]): Promise<Result[]> {
  return Promise.all(
    checks.map(async ({ name, check }) => {
      try {
        await check();
        return { name, error: undefined };
      } catch (error) {
        return { name, error: error instanceof Error ? error.message : String(error) };
      }
    }),
  );
}

function text(status: number, body: string): Response {
  return {
    kind: 'bytes',
    status,
    contentType: TEXT,
    body,
    headers: { 'x-content-type-options': 'nosniff', 'cache-control': 'no-cache, private' },
  };
}
