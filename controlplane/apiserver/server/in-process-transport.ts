/**
 * The Transport for those who live in the API server's own process: same filters, same identity, no sockets, no bytes. Answers are the
 * cache's own objects.
 */
import { statusErrorFrom } from '../../../machinery/meta/status-error-from.ts';
import type { ApiRequest, Transport, WatchEvent } from '../../../machinery/client/transport.ts';
import type { ListResponse, Request, Response, UserInfo, WatchResponse } from './request.ts';

const NO_QUERY = new URLSearchParams();
const NEVER = new AbortController().signal;
const NO_HEADERS: Readonly<Record<string, undefined>> = {};

export class InProcessTransport implements Transport {
  readonly #identity: UserInfo;
  readonly #handle: (request: Request) => Promise<Response>;

  constructor(identity: UserInfo, handle: (request: Request) => Promise<Response>) {
    this.#identity = identity;
    this.#handle = handle;
  }

  async call(request: ApiRequest): Promise<unknown> {
    request.signal?.throwIfAborted();
    const response = await this.#handle(inProcessRequest(this.#identity, request));
    switch (response.kind) {
      case 'stored':
        return response.stored.object;
      case 'object':
        if (response.status >= 400) throw statusErrorFrom(response.object, response.status);
        return response.object;
      case 'list':
        return listObject(response);
      case 'bytes':
        return decodeBytes(response.contentType, response.body);
      case 'stream': {
        const chunks: Buffer[] = [];
        for await (const chunk of response.body) chunks.push(chunk as Buffer);
        return Buffer.concat(chunks).toString();
      }
      case 'watch':
      case 'hijacked':
        throw new Error(`${request.path} does not answer with one object: use watch()`);
    }
  }

  async *watch(request: ApiRequest): AsyncIterable<WatchEvent> {
    request.signal?.throwIfAborted();
    // Ends the watch behind it when the consumer stops iterating.
    const stop = new AbortController();
    const signal = request.signal === undefined ? stop.signal : AbortSignal.any([stop.signal, request.signal]);
    try {
      const response = await this.#handle(inProcessRequest(this.#identity, { ...request, signal }));
      if (response.kind === 'object' && response.status >= 400) throw statusErrorFrom(response.object, response.status);
      if (response.kind !== 'watch') throw new Error(`${request.path} is no watch`);
      yield* events(response);
    } finally {
      stop.abort();
    }
  }

  async close(): Promise<void> {}
}

function inProcessRequest(identity: UserInfo, request: ApiRequest): Request {
  const { query } = request;
  let search: URLSearchParams | undefined;
  return {
    method: request.method,
    path: request.path,
    rawQuery: query === undefined ? '' : 'in-process',
    get query() {
      return query === undefined ? NO_QUERY : (search ??= new URLSearchParams(query as Record<string, string>));
    },
    headers: request.contentType === undefined ? NO_HEADERS : { 'content-type': request.contentType },
    body: request.body === undefined ? { kind: 'none' } : { kind: 'object', object: request.body },
    signal: request.signal ?? NEVER,
    remoteAddress: '',
    identity,
  };
}

async function* events(response: WatchResponse): AsyncIterable<WatchEvent> {
  const { convert } = response;
  for await (const batch of response.events) {
    for (const event of batch)
      yield convert === undefined ? event : { type: event.type, object: convert(event.object) };
  }
}

function listObject(list: ListResponse): unknown {
  return {
    kind: list.listKind,
    apiVersion: list.apiVersion,
    metadata: list.metadata,
    items: list.items.map(item => item.object),
  };
}

function decodeBytes(contentType: string, body: Buffer | string): unknown {
  const text = body.toString();
  return contentType.startsWith('application/json') ? (JSON.parse(text) as unknown) : text;
}
