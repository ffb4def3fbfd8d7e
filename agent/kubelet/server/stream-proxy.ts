/**
 * Exec, attach and port-forward: the runtime gives a URL of its streaming server, and the client's connection is joined to it byte by
 * byte, whatever protocol (SPDY or WebSocket) the two speak over it.
 */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

/** Headers that belong to one hop, or that name us; the upgrade itself is said again. */
const DROPPED = new Set(['host', 'authorization', 'connection', 'upgrade', 'x-forwarded-for']);
const CONNECT_TIMEOUT_MS = 10_000;

/** Joins the two ends; resolves when the connection is over. Failures before the switch are answered to the client. */
export function proxyStream(request: IncomingMessage, client: Duplex, head: Buffer, target: string): Promise<void> {
  return new Promise(resolve => {
    const headers: Record<string, string | string[]> = {
      connection: 'Upgrade',
      upgrade: request.headers.upgrade ?? 'SPDY/3.1',
    };
    for (const [name, value] of Object.entries(request.headers))
      if (!DROPPED.has(name) && value !== undefined) headers[name] = value;
    const outgoing = httpRequest(target, { method: request.method, headers, timeout: CONNECT_TIMEOUT_MS });
    const finish = (): void => {
      client.destroy();
      outgoing.destroy();
      resolve();
    };
    client.on('error', finish);
    client.once('close', finish);
    outgoing.once('timeout', () => outgoing.destroy(new Error('the runtime did not answer')));
    outgoing.once('error', error => {
      if (client.writable)
        client.end(plainResponse(502, `the container runtime's streaming server failed: ${error.message}`));
      resolve();
    });
    outgoing.once('response', response => {
      // No switch of protocols: the runtime says why.
      client.write(responseHead(response));
      response.pipe(client);
      response.once('end', finish);
    });
    outgoing.once('upgrade', (response, upstream, upstreamHead) => {
      client.write(responseHead(response));
      if (upstreamHead.length > 0) client.write(upstreamHead);
      if (head.length > 0) upstream.write(head);
      for (const socket of [client, upstream] as (Duplex & {
        setNoDelay?(on: boolean): void;
        setTimeout?(ms: number): void;
      })[]) {
        socket.setNoDelay?.(true);
        socket.setTimeout?.(0);
      }
      upstream.on('error', finish);
      upstream.pipe(client);
      client.pipe(upstream);
      upstream.once('close', finish);
    });
    outgoing.end();
  });
}

function responseHead(response: IncomingMessage): string {
  const lines = [`HTTP/1.1 ${response.statusCode ?? 502} ${response.statusMessage ?? ''}`];
  for (let i = 0; i + 1 < response.rawHeaders.length; i += 2) {
    const name = response.rawHeaders[i] ?? '';
    // The body is passed on as it was decoded.
    if (name.toLowerCase() !== 'transfer-encoding') lines.push(`${name}: ${response.rawHeaders[i + 1] ?? ''}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** A whole answer for a socket that is no longer an HTTP response. */
export function plainResponse(code: number, text: string): string {
  const body = `${text}\n`;
  return `HTTP/1.1 ${code} ${code === 404 ? 'Not Found' : code < 500 ? 'Bad Request' : 'Error'}\r\ncontent-type: text/plain\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`;
}
