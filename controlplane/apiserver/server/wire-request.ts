/**
 * A Request that came over a socket. Query, body and abort signal are made when first asked for: most requests need at most one.
 */
import type { Readable } from 'node:stream';
import { badRequest, tooLarge } from '../../../machinery/meta/status-error.ts';
import type { PeerCertificate, Request, RequestBody, UpgradeRequest } from './request.ts';

/** As upstream: 3 MiB; etcd's limit and every object's. */
const MAX_BODY_BYTES = 3 * 1024 * 1024;
const NO_QUERY = new URLSearchParams();

/** What the carrier knows about the connection. */
export interface Connection {
  readonly remoteAddress: string;
  readonly certificate: PeerCertificate | 'refused' | undefined;
}

export class WireRequest implements Request {
  readonly method: string;
  readonly path: string;
  readonly rawQuery: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: RequestBody;
  readonly stream: Readable;
  readonly upgrade: UpgradeRequest | undefined;
  readonly #connection: Connection;
  #query: URLSearchParams | undefined;
  #abort: AbortController | undefined;
  #gone = false;

  constructor(
    method: string,
    target: string,
    headers: Readonly<Record<string, string | string[] | undefined>>,
    stream: Readable,
    connection: Connection,
    upgrade?: UpgradeRequest,
  ) {
    const local = target.startsWith('/') ? target : originForm(target);
    const mark = local.indexOf('?');
    this.method = method;
    this.path = mark < 0 ? local : local.slice(0, mark);
    this.rawQuery = mark < 0 ? '' : local.slice(mark + 1);
    this.headers = headers;
    this.stream = stream;
    this.#connection = connection;
    this.upgrade = upgrade;
    const empty = method === 'GET' || method === 'HEAD' || headers['content-length'] === '0';
    this.body = empty ? { kind: 'none' } : { kind: 'bytes', read: () => readBody(stream, headers['content-length']) };
  }

  get query(): URLSearchParams {
    this.#query ??= this.rawQuery === '' ? NO_QUERY : new URLSearchParams(this.rawQuery);
    return this.#query;
  }

  get remoteAddress(): string {
    return this.#connection.remoteAddress;
  }

  get certificate(): PeerCertificate | 'refused' | undefined {
    return this.#connection.certificate;
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#gone) this.#abort.abort(clientGone());
    }
    return this.#abort.signal;
  }

  /** The carrier says that nobody listens any more. */
  abort(): void {
    this.#gone = true;
    this.#abort?.abort(clientGone());
  }
}

/** Clients that believe they speak to a proxy name scheme and host too (RFC 9112, absolute-form). */
function originForm(target: string): string {
  const rest = /^https?:\/\/[^/?]*(.*)$/i.exec(target)?.[1];
  if (rest === undefined) return target;
  return rest.startsWith('/') ? rest : `/${rest}`;
}

function clientGone(): DOMException {
  return new DOMException('the client went away', 'AbortError');
}

function readBody(stream: Readable, length: string | string[] | undefined): Promise<Buffer> {
  const limit = `limit is ${MAX_BODY_BYTES}`;
  if (typeof length === 'string' && Number(length) > MAX_BODY_BYTES) return Promise.reject(tooLarge(limit));
  return new Promise((resolve, reject) => {
    let first: Buffer | undefined;
    let chunks: Buffer[] | undefined;
    let bytes = 0;
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > MAX_BODY_BYTES) {
        // What follows is read and dropped, so that the client gets the answer rather than a reset.
        chunks = undefined;
        first = undefined;
        return reject(tooLarge(limit));
      }
      if (first === undefined) first = chunk;
      else (chunks ??= [first]).push(chunk);
    });
    stream.once('end', () => resolve(chunks !== undefined ? Buffer.concat(chunks) : (first ?? Buffer.alloc(0))));
    stream.once('error', error => reject(badRequest('the request body could not be read', { cause: error })));
    // Every request closes; the error is dear.
    stream.once('close', () => {
      if (!stream.readableEnded) reject(badRequest('the request body ended early'));
    });
  });
}
