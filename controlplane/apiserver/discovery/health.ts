/**
 * /healthz, /livez and /readyz with named checks, in upstream's text form.
 * Source: apiserver `pkg/server/healthz`.
 */
import { errorText } from '../../../machinery/meta/error-text.ts';
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
    const why = await outcomeOf(one);
    return why === undefined ? text(200, 'ok') : text(500, `internal server error: ${why}\n`);
  }
  const excluded = new Set(query.getAll('exclude'));
  const lines = await Promise.all(
    checks.map(async check => {
      if (excluded.has(check.name)) return `[+]${check.name} excluded: ok`;
      return (await outcomeOf(check)) === undefined
        ? `[+]${check.name} ok`
        : `[-]${check.name} failed: reason withheld`;
    }),
  );
  const failed = lines.some(line => line.startsWith('[-]'));
  const unknown = [...excluded].filter(name => !checks.some(check => check.name === name)).sort();
  if (unknown.length > 0)
    lines.push(
      `warn: some health checks cannot be excluded: no matches for ${unknown.map(name => JSON.stringify(name)).join(', ')}`,
    );
  if (!failed && !query.has('verbose')) return text(200, 'ok');
  lines.push(`${endpoint.slice(1)} check ${failed ? 'failed' : 'passed'}`);
  return text(failed ? 500 : 200, `${lines.join('\n')}\n`);
}

/** Why it is not well. */
async function outcomeOf({ check }: HealthCheck): Promise<string | undefined> {
  try {
    await check();
    return undefined;
  } catch (error) {
    return errorText(error);
  }
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
