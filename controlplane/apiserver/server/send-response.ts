/**
 * Writes a Response to a socket: headers, then bytes that are shared with the cache wherever there are any.
 * Never buffers more than one block for a client that reads slowly.
 */
import { pipeline } from 'node:stream/promises';
import type { Writable } from 'node:stream';
import { createGzip, constants } from 'node:zlib';
import { plainMediaType, PROTOBUF } from '../rest/negotiate.ts';
import { protobufBody } from '../rest/protobuf/protobuf-object.ts';
import type { WatchEvent } from '../storage/storage.ts';
import type { Exchange } from './exchange.ts';
import {
  header,
  type ListResponse,
  type ObjectResponse,
  type Request,
  type Response,
  type WatchResponse,
} from './request.ts';
import { httpChunk, LAST_CHUNK } from './http-chunk.ts';
import { watchFrame } from './watch-frame.ts';
import { WatchPace } from './watch-pace.ts';
import { BLOCK_BYTES, drained, joined, writeBlocks, writePieces } from './write-blocks.ts';

/** Where a response goes: one HTTP/2 stream or one HTTP/1.1 response. */
export interface Sink {
  /** Sends the head. Called once, before the first write. */
  writeHead(status: number, headers: Record<string, string | string[]>): void;
  readonly body: Writable;
  /** True: what is written to `body` from now on must be chunks of HTTP/1.1 (http-chunk.ts). Called after `writeHead()`. */
  takeChunking?(): boolean;
}

const JSON_TYPE = 'application/json';
/** Smaller answers are not worth compressing (upstream's threshold). */
const GZIP_MIN_BYTES = 128 * 1024;
const COMMA = Buffer.from(',');

/** Resolves when everything is handed to the socket, or the client is gone. */
export async function sendResponse(exchange: Exchange, response: Response, sink: Sink): Promise<void> {
  const { request } = exchange;
  const headers = commonHeaders(exchange, response);
  switch (response.kind) {
    case 'hijacked':
      return;
    case 'stored':
      if (response.form !== undefined) {
        const { contentType } = response.form;
        return sendBytes(request, sink, response.status, headers, contentType, response.form.object(response.stored));
      }
      if (isPretty(request))
        return sendBytes(request, sink, response.status, headers, JSON_TYPE, pretty(response.stored.object));
      return sendBytes(request, sink, response.status, headers, JSON_TYPE, response.stored.bytes);
    case 'object': {
      const { type, body } = await objectBytes(request, response);
      return sendBytes(request, sink, response.status, headers, type, body);
    }
    case 'bytes': {
      const body = typeof response.body === 'string' ? Buffer.from(response.body) : response.body;
      return sendBytes(request, sink, response.status, headers, response.contentType, body);
    }
    case 'list':
      return sendList(request, response, headers, sink);
    case 'watch':
      return sendWatch(response, headers, sink);
    case 'stream':
      sink.writeHead(response.status, headers);
      return pipeline(response.body, sink.body).catch(() => {});
  }
}

function commonHeaders(exchange: Exchange, response: Response): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = { 'audit-id': exchange.auditId };
  if (response.kind !== 'stream' && response.kind !== 'bytes') headers['cache-control'] = 'no-cache, private';
  if (exchange.warnings.length > 0) headers['warning'] = exchange.warnings.map(warningHeader);
  for (const [name, value] of Object.entries(response.headers ?? {}))
    headers[name] = typeof value === 'string' ? value : [...value];
  return headers;
}

/** `299 - "text"`, quoted as RFC 7234 asks. */
function warningHeader(text: string): string {
  return `299 - "${text.replace(/[\x00-\x1f\x7f]/g, ' ').replace(/["\\]/g, '\\$&')}"`;
}

async function objectBytes(
  request: Request,
  { object, contentType }: ObjectResponse,
): Promise<{ type: string; body: Buffer }> {
  const type = contentType ?? plainMediaType(request);
  if (type === PROTOBUF) {
    const body = protobufBody(object);
    if (body !== undefined) return { type, body };
  }
  if (type === 'application/yaml') {
    const { stringify } = await import('yaml');
    return { type, body: Buffer.from(stringify(object, { version: '1.1', aliasDuplicateObjects: false })) };
  }
  const body = isPretty(request) ? pretty(object) : Buffer.from(JSON.stringify(object));
  return { type: contentType === undefined || contentType === PROTOBUF ? JSON_TYPE : contentType, body };
}

function isPretty(request: Request): boolean {
  const asked = request.query.get('pretty');
  if (asked !== null) return asked !== '0' && asked !== 'false';
  const agent = header(request, 'user-agent');
  return agent !== undefined && /^(curl|Wget|Mozilla\/5\.0)/.test(agent);
}

function pretty(object: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(object, undefined, 2)}\n`);
}

async function sendBytes(
  request: Request,
  sink: Sink,
  status: number,
  headers: Record<string, string | string[]>,
  type: string,
  body: Buffer,
): Promise<void> {
  headers['content-type'] = type;
  if (body.length > GZIP_MIN_BYTES && headers['content-encoding'] === undefined && acceptsGzip(request))
    return sendGzip(sink, status, headers, [body]);
  headers['content-length'] = String(body.length);
  sink.writeHead(status, headers);
  if (request.method === 'HEAD') sink.body.end();
  else if (body.length <= BLOCK_BYTES) sink.body.end(body);
  else if (await writeBlocks(sink.body, slices(body))) sink.body.end();
}

function* slices(body: Buffer): Generator<Buffer> {
  for (let at = 0; at < body.length; at += BLOCK_BYTES) yield body.subarray(at, at + BLOCK_BYTES);
}

async function sendList(
  request: Request,
  list: ListResponse,
  headers: Record<string, string | string[]>,
  sink: Sink,
): Promise<void> {
  if (list.form !== undefined) {
    headers['content-type'] = list.form.contentType;
    const { byteLength, parts } = await list.form.list(list);
    return sendParts(request, sink, headers, byteLength, parts);
  }
  headers['content-type'] = JSON_TYPE;
  const meta = JSON.stringify({ kind: list.listKind, apiVersion: list.apiVersion, metadata: list.metadata });
  const head = Buffer.from(`${meta.slice(0, -1)},"items":[`);
  const tail = Buffer.from(']}');
  if (isPretty(request)) {
    const items = list.items.map(item => item.object);
    return sendBytes(request, sink, 200, headers, JSON_TYPE, pretty({ ...(JSON.parse(meta) as object), items }));
  }
  let bytes = head.length + tail.length + Math.max(0, list.items.length - 1);
  for (const item of list.items) bytes += item.bytes.length;
  return sendParts(request, sink, headers, bytes, listPieces(list, head, tail));
}

async function sendParts(
  request: Request,
  sink: Sink,
  headers: Record<string, string | string[]>,
  byteLength: number,
  parts: Iterable<Buffer>,
): Promise<void> {
  if (byteLength > GZIP_MIN_BYTES && acceptsGzip(request)) return sendGzip(sink, 200, headers, parts);
  headers['content-length'] = String(byteLength);
  sink.writeHead(200, headers);
  if (request.method === 'HEAD') return void sink.body.end();
  if (await writePieces(sink.body, parts, byteLength)) sink.body.end();
}

function* listPieces(list: ListResponse, head: Buffer, tail: Buffer): Generator<Buffer> {
  yield head;
  for (let i = 0; i < list.items.length; i++) {
    if (i > 0) yield COMMA;
    yield list.items[i]?.bytes ?? tail;
  }
  yield tail;
}

function acceptsGzip(request: Request): boolean {
  return header(request, 'accept-encoding')?.includes('gzip') === true;
}

async function sendGzip(
  sink: Sink,
  status: number,
  headers: Record<string, string | string[]>,
  pieces: Iterable<Buffer>,
): Promise<void> {
  headers['content-encoding'] = 'gzip';
  headers['vary'] = 'Accept-Encoding';
  sink.writeHead(status, headers);
  // Level 1, as upstream: most of the gain for a fraction of the time.
  const gzip = createGzip({ level: constants.Z_BEST_SPEED });
  const packed = pipeline(joined(pieces), gzip).catch(() => {});
  if (await writeBlocks(sink.body, gzip as AsyncIterable<Buffer>)) sink.body.end();
  gzip.destroy();
  await packed;
}

async function sendWatch(watch: WatchResponse, headers: Record<string, string | string[]>, sink: Sink): Promise<void> {
  headers['content-type'] = watch.contentType ?? JSON_TYPE;
  sink.writeHead(200, headers);
  // Without a flush an HTTP/1.1 client sees no head before the first event.
  (sink.body as Writable & { flushHeaders?: () => void }).flushHeaders?.();
  const { body } = sink;
  const chunked = sink.takeChunking?.() === true;
  const pace = new WatchPace();
  for await (const batch of watch.events) {
    if (body.destroyed) break;
    const [first] = batch;
    if (batch.length === 1 && first !== undefined) {
      // The common case: the one frame that all watches share, to a client that waits for it.
      const frame = watchFrame(watch, first);
      if (!body.write(chunked ? httpChunk(frame) : frame) && !(await drained(body))) break;
    } else if (!(await pace.write(body, joinedFrames(watch, batch, chunked, pace)))) break;
    watch.onSent?.(batch.length);
  }
  if (!body.destroyed) body.end(chunked ? LAST_CHUNK : undefined);
}

/** What has gathered behind a slow client, joined. */
function* joinedFrames(
  watch: WatchResponse,
  batch: readonly WatchEvent[],
  chunked: boolean,
  pace: WatchPace,
): Generator<Buffer> {
  let parts: Buffer[] = [];
  let bytes = 0;
  for (const [i, event] of batch.entries()) {
    const frame = watchFrame(watch, event);
    parts.push(frame);
    bytes += frame.length;
    if (bytes < pace.blockBytes && i < batch.length - 1) continue;
    const block = parts.length === 1 ? frame : Buffer.concat(parts);
    yield chunked ? httpChunk(block) : block;
    parts = [];
    bytes = 0;
  }
}
