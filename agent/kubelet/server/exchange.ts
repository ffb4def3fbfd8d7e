/** One request to the kubelet, and the ways to answer it. */
import { ServerResponse, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Switched } from '../../../machinery/streaming/remote-command.ts';

export interface Exchange {
  readonly request: IncomingMessage;
  /** Of an upgrade too: whoever takes the raw connection over leaves it alone. */
  readonly response: ServerResponse;
  readonly path: string;
  /** Of the path, decoded, without empty ones. */
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
  /** The raw connection of a client that asked to switch protocols. */
  readonly upgrade: Switched | undefined;
  /** Aborts when the client is gone or the server stops. */
  readonly signal: AbortSignal;
}

/** An answer that is an error for the client: the message is what it gets. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly code: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.code = code;
    this.headers = headers;
  }
}

/** @throws HttpError for a path that is none */
export function readExchange(
  request: IncomingMessage,
  response: ServerResponse,
  upgrade: Switched | undefined,
  signal: AbortSignal,
): Exchange {
  const target = request.url ?? '/';
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  try {
    const segments = path
      .split('/')
      .filter(part => part !== '')
      .map(decodeURIComponent);
    return {
      request,
      response,
      path: `/${segments.join('/')}${path.endsWith('/') && segments.length > 0 ? '/' : ''}`,
      segments,
      query: new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1)),
      upgrade,
      signal,
    };
  } catch {
    throw new HttpError(400, 'the path is not percent-encoded rightly');
  }
}

/** An answer on a connection that asked for an upgrade and gets none. The connection ends with it. */
export function responseOn(request: IncomingMessage, socket: Socket): ServerResponse {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  response.once('finish', () => {
    response.detachSocket(socket);
    socket.destroySoon();
  });
  return response;
}

export function sendText(response: ServerResponse, code: number, text: string): void {
  response.writeHead(code, { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' });
  response.end(text);
}

export function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(typeof value === 'string' ? value : JSON.stringify(value));
}

/** The raw connection, of which nothing more goes through the response. @throws HttpError when the client asked for no upgrade */
export function takeOver({ upgrade, response }: Exchange): Switched {
  if (upgrade === undefined) throw new HttpError(400, 'Upgrade request required');
  response.detachSocket(upgrade.socket as Socket);
  return upgrade;
}
