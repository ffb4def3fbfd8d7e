/** Failures of connections in the words that people know from upstream's probes. */
import { hostPort } from '../../../machinery/meta/host-port.ts';

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect: connection refused',
  ECONNRESET: 'read: connection reset by peer',
  EHOSTUNREACH: 'connect: no route to host',
  ENETUNREACH: 'connect: network is unreachable',
  ETIMEDOUT: 'i/o timeout',
  ENOTFOUND: 'lookup failed: no such host',
};

/** What came of an attempt to reach a server. */
export function connectionFailure(host: string, port: number, error: Error): string {
  const words = WORDS[(error as NodeJS.ErrnoException).code ?? ''];
  if (words === undefined) return error.message;
  return `dial tcp ${hostPort(host, port)}: ${words}`;
}
