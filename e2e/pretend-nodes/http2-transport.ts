/**
 * The Transport over HTTP/2, as client-go speaks it: all calls share one connection and all watches another, so that thousands of requests a
 * second cost a made-up node next to nothing. A connection that broke is opened anew by the next request.
 */
import { connect, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { readJsonLines } from '../../machinery/client/json-lines.ts';
import type { KubeconfigEntry } from '../../machinery/client/kubeconfig.ts';
import type { ApiRequest, Transport, WatchEvent } from '../../machinery/client/transport.ts';
import { statusErrorFrom } from '../../machinery/meta/status-error-from.ts';
import { serviceUnavailable, StatusError } from '../../machinery/meta/status-error.ts';

/** Node's own window, 64 KiB, is less than a page of pods. */
const WINDOW_BYTES = 16 * 1024 * 1024;
const CALL_TIMEOUT_MS = 60_000;
/** Servers send bookmarks about once a minute. */
const SILENCE_MS = 300_000;

export class Http2Transport implements Transport {
  private readonly entry: KubeconfigEntry;
  private readonly sessions = new Map<'calls' | 'watches', ClientHttp2Session>();

  constructor(entry: KubeconfigEntry) {
    this.entry = entry;
  }

  async call(request: ApiRequest): Promise<unknown> {
    try {
      const stream = this.open('calls', request, CALL_TIMEOUT_MS);
      const [status, text] = await Promise.all([statusOf(stream), textOf(stream)]);
      const body = bodyOf(text);
      if (status >= 400) throw statusErrorFrom(body, status);
      return body;
    } catch (error) {
      throw this.failure(request, error);
    }
  }

  async *watch(request: ApiRequest): AsyncIterable<WatchEvent> {
    let stream: ClientHttp2Stream | undefined;
    try {
      stream = this.open('watches', request, SILENCE_MS);
      const status = await statusOf(stream);
      if (status >= 400) throw statusErrorFrom(bodyOf(await textOf(stream)), status);
      for await (const line of readJsonLines(stream as AsyncIterable<Uint8Array>)) {
        const { type, object } = line as { type: WatchEvent['type'] | 'ERROR'; object: unknown };
        if (type === 'ERROR') throw statusErrorFrom(object);
        yield { type, object };
      }
    } catch (error) {
      throw this.failure(request, error);
    } finally {
      stream?.destroy();
    }
  }

  close(): Promise<void> {
    for (const session of this.sessions.values()) session.destroy();
    this.sessions.clear();
    return Promise.resolve();
  }

  private open(use: 'calls' | 'watches', request: ApiRequest, silenceMs: number): ClientHttp2Stream {
    const { method, path, query, body, contentType = 'application/json', signal } = request;
    signal?.throwIfAborted();
    const search = new URLSearchParams(query).toString();
    const { token } = this.entry;
    const stream = this.session(use).request(
      {
        ':method': method,
        ':path': search === '' ? path : `${path}?${search}`,
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': contentType }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      { endStream: body === undefined, ...(signal === undefined ? {} : { signal }) },
    );
    stream.setTimeout(silenceMs, () => stream.destroy(new Error(`no answer within ${silenceMs / 1000} s`)));
    if (body !== undefined) stream.end(JSON.stringify(body));
    return stream;
  }

  private session(use: 'calls' | 'watches'): ClientHttp2Session {
    const known = this.sessions.get(use);
    if (known !== undefined && !known.closed && !known.destroyed) return known;
    const { ca, cert, key, serverName, insecureSkipVerify } = this.entry.tls;
    const session = connect(this.entry.server, {
      ca,
      cert,
      key,
      ...(serverName === undefined ? {} : { servername: serverName }),
      rejectUnauthorized: insecureSkipVerify !== true,
      settings: { initialWindowSize: WINDOW_BYTES },
    });
    session.setMaxListeners(0);
    session.once('connect', () => session.setLocalWindowSize(WINDOW_BYTES));
    // Its streams tell of it.
    session.on('error', () => undefined);
    session.once('goaway', () => session.close());
    this.sessions.set(use, session);
    return session;
  }

  private failure(request: ApiRequest, error: unknown): Error {
    if (request.signal?.aborted === true) return request.signal.reason as Error;
    if (error instanceof StatusError) return error;
    const why = error instanceof Error ? error.message : String(error);
    return serviceUnavailable(`Cannot reach the API server at ${this.entry.server}: ${why}`, { cause: error });
  }
}

function statusOf(stream: ClientHttp2Stream): Promise<number> {
  return new Promise((resolve, reject) => {
    stream.once('response', headers => resolve(headers[':status'] ?? 0));
    stream.once('error', reject);
    stream.once('close', () => reject(new Error('the connection was closed before an answer came')));
  });
}

async function textOf(stream: ClientHttp2Stream): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function bodyOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
