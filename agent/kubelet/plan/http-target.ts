/** Where an httpGet, tcpSocket or grpc handler points, with named ports looked up. */
import type { Container, HTTPGetAction, HTTPHeader } from '../../../proto/api/core-v1.ts';

/** The number of a port that is given by number or by name; undefined if the container has no port of that name. */
export function portNumber(container: Container, port: string | number): number | undefined {
  if (typeof port === 'number') return port;
  const named = (container.ports ?? []).find(p => p.name === port);
  if (named !== undefined) return named.containerPort;
  return /^\d+$/.test(port) ? Number(port) : undefined;
}

export interface HttpTarget {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[]>>;
}

/** @returns undefined if the port has no number */
export function httpTarget(
  container: Container,
  action: HTTPGetAction,
  podIP: string,
  userAgent: string,
): HttpTarget | undefined {
  const port = portNumber(container, action.port);
  if (port === undefined) return undefined;
  const path = action.path ?? '/';
  const host = action.host === undefined || action.host === '' ? podIP : action.host;
  return {
    scheme: action.scheme === 'HTTPS' ? 'https' : 'http',
    host,
    port,
    path: path.startsWith('/') ? path : `/${path}`,
    headers: headersOf(action.httpHeaders ?? [], userAgent),
  };
}

/** An empty User-Agent or Accept given by the user leaves it out. */
function headersOf(given: readonly HTTPHeader[], userAgent: string): Record<string, string | string[]> {
  const headers = new Map<string, string[]>();
  for (const { name, value } of given)
    headers.set(name.toLowerCase(), [...(headers.get(name.toLowerCase()) ?? []), value]);
  if (!headers.has('user-agent')) headers.set('user-agent', [userAgent]);
  if (!headers.has('accept')) headers.set('accept', ['*/*']);
  for (const name of ['user-agent', 'accept']) if (headers.get(name)?.[0] === '') headers.delete(name);
  return Object.fromEntries(
    [...headers].map(([name, values]) => [name, values.length === 1 ? (values[0] ?? '') : values]),
  );
}
