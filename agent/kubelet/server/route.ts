/** What the kubelet serves, by path. */
import type { Exchange } from './exchange.ts';

export interface Route {
  /** First segment of the path, or two for `metrics/...`: requests are counted under it. */
  readonly path: string;
  readonly methods: readonly string[];
  /** Throws are answers: HttpError, PodAccessError and RuntimeError with their words, all else is 500. */
  handle(exchange: Exchange): Promise<void> | void;
}

/** Under which path a request counts, and which route serves it. */
export function routePath(segments: readonly string[]): string {
  const [first = '', second] = segments;
  return first === 'metrics' && second !== undefined ? `${first}/${second}` : first;
}

const GET = ['GET', 'HEAD'];

export function getRoute(path: string, handle: Route['handle']): Route {
  return { path, methods: GET, handle };
}
