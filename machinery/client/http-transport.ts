/**
 * The Transport over HTTPS: keep-alive connections, one more for each watch; several servers tried in turn.
 *
 * - A connection failure moves to the next server; requests that may have reached a server are not repeated, unless they only read.
 * - Silence on a watch longer than `watchSilenceMs` ends it: servers send bookmarks about once a minute.
 * - undici is loaded with the first request.
 */
import type { Dispatcher, Pool } from 'undici';
import { statusErrorFrom } from '../meta/status-error-from.ts';
import { serviceUnavailable, StatusError } from '../meta/status-error.ts';
import type { Credentials } from './credentials.ts';
import { readJsonLines } from './json-lines.ts';
import type { ApiRequest, Transport, WatchEvent } from './transport.ts';

export interface HttpTransportOptions {
  /** `https://host:port`, tried in order; at least one. */
  servers: readonly string[];
  credentials: Credentials;
  /** `User-Agent`, e.g. `k8ts/0.1.0 kubelet`. */
  userAgent?: string | undefined;
  /** Default 10,000. */
  connectTimeoutMs?: number | undefined;
  /** Longest wait for the answer of a call, default 60,000. */
  callTimeoutMs?: number | undefined;
  /** Default 300,000. */
  watchSilenceMs?: number | undefined;
}

/** Failures that say that no server has seen the request. */
const NOT_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
]);

export class HttpTransport implements Transport {
  private readonly options: HttpTransportOptions;
  private pools: Promise<Pool>[] | undefined;
  /** Index of the server that answered last. */
  private current = 0;

  constructor(options: HttpTransportOptions) {
    if (options.servers.length === 0) throw new Error('HttpTransport needs at least one server');
    this.options = options;
  }

  async call(request: ApiRequest): Promise<unknown> {
    const timeoutMs = this.options.callTimeoutMs ?? 60_000;
    const response = await this.send(request, timeoutMs, timeoutMs);
    const text = await this.guard(request, () => response.body.text());
    const body = isJson(response) ? parseJson(text) : text;
    if (response.statusCode >= 400) throw statusErrorFrom(body, response.statusCode);
    return body;
  }

  async *watch(request: ApiRequest): AsyncIterable<WatchEvent> {
    const { callTimeoutMs = 60_000, watchSilenceMs = 300_000 } = this.options;
    const response = await this.send(request, callTimeoutMs, watchSilenceMs);
    if (response.statusCode >= 400) {
      const text = await this.guard(request, () => response.body.text());
      throw statusErrorFrom(isJson(response) ? parseJson(text) : text, response.statusCode);
    }
    try {
      for await (const line of readJsonLines(response.body)) {
        const event = line as { type: WatchEvent['type'] | 'ERROR'; object: unknown };
        if (event.type === 'ERROR') throw statusErrorFrom(event.object);
        yield { type: event.type, object: event.object };
      }
    } catch (error) {
      throw this.failure(request, error);
    } finally {
      response.body.on('error', () => undefined).destroy();
    }
  }

  async close(): Promise<void> {
    const pools = this.pools ?? [];
    this.pools = undefined;
    await Promise.all(pools.map(async pool => (await pool).destroy()));
  }

  private async send(
    request: ApiRequest,
    headersTimeout: number,
    bodyTimeout: number,
  ): Promise<Dispatcher.ResponseData> {
    request.signal?.throwIfAborted();
    const headers = await this.headersOf(request);
    const query = new URLSearchParams(request.query).toString();
    const options: Dispatcher.RequestOptions = {
      method: request.method,
      path: query === '' ? request.path : `${request.path}?${query}`,
      headers,
      body: request.body === undefined ? null : JSON.stringify(request.body),
      headersTimeout,
      bodyTimeout,
      signal: request.signal ?? null,
    };
    for (let attempt = 1; ; attempt++) {
      const pool = await this.pool(this.current);
      try {
        return await pool.request(options);
      } catch (error) {
        const repeatable = request.method === 'GET' || NOT_SENT.has(codeOf(error));
        if (request.signal?.aborted === true || !repeatable || attempt >= this.attempts())
          throw this.failure(request, error);
        this.current = (this.current + 1) % this.options.servers.length;
      }
    }
  }

  /** A kept connection may have been closed by the server just now: with one server too, a read is tried twice. */
  private attempts(): number {
    return Math.max(2, this.options.servers.length);
  }

  private async headersOf(request: ApiRequest): Promise<Record<string, string>> {
    const headers: Record<string, string> = { accept: 'application/json' };
    if (request.body !== undefined) headers['content-type'] = request.contentType ?? 'application/json';
    if (this.options.userAgent !== undefined) headers['user-agent'] = this.options.userAgent;
    const token = await this.options.credentials.token();
    if (token !== undefined) headers['authorization'] = `Bearer ${token}`;
    return headers;
  }

  private pool(index: number): Promise<Pool> {
    this.pools ??= this.options.servers.map(server => this.createPool(server));
    const pool = this.pools[index];
    if (pool === undefined) throw new Error('no such server');
    return pool;
  }

  private async createPool(server: string): Promise<Pool> {
    const { Pool, buildConnector } = await import('undici');
    const timeout = this.options.connectTimeoutMs ?? 10_000;
    // A connector of its own for each connection: it takes the certificate that is current then.
    const connect: ReturnType<typeof buildConnector> = (options, callback) => {
      const { ca, cert, key, serverName, insecureSkipVerify } = this.options.credentials.tls();
      const connector = buildConnector({
        timeout,
        keepAlive: true,
        keepAliveInitialDelay: 30_000,
        rejectUnauthorized: insecureSkipVerify !== true,
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
        ...(serverName === undefined ? {} : { servername: serverName }),
      });
      connector(options, callback);
    };
    return new Pool(server, { connect, keepAliveTimeout: 60_000, pipelining: 1 });
  }

  private async guard<R>(request: ApiRequest, work: () => Promise<R>): Promise<R> {
    try {
      return await work();
    } catch (error) {
      throw this.failure(request, error);
    }
  }

  /** What the caller is told: its own abort, the server's word, or that the server cannot be reached. */
  private failure(request: ApiRequest, error: unknown): Error {
    if (request.signal?.aborted === true) return request.signal.reason as Error;
    if (error instanceof StatusError) return error;
    const server = this.options.servers[this.current] ?? '';
    const why = error instanceof Error ? error.message || codeOf(error) : String(error);
    return serviceUnavailable(`Cannot reach the API server at ${server}: ${why}`, { cause: error });
  }
}

function codeOf(error: unknown): string {
  const code: unknown = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : '';
}

function isJson(response: Dispatcher.ResponseData): boolean {
  return String(response.headers['content-type'] ?? '').includes('json') && response.statusCode !== 204;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw serviceUnavailable('The API server sent a body that is no JSON', { cause: error });
  }
}
