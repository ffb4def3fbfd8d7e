/**
 * A document that a client may have already: answered with 304 when its ETag is the one the client shows.
 */
import { createHash } from 'node:crypto';
import { header, type Request, type Response } from '../server/request.ts';

export function etagResponse(request: Request, body: Buffer, contentType: string): Response {
  const etag = `"${createHash('sha512').update(body).digest('hex').slice(0, 64).toUpperCase()}"`;
  const headers = { etag, vary: 'Accept', 'cache-control': 'public' };
  if (isKnown(request, etag)) {
    return { kind: 'bytes', status: 304, contentType, body: '', headers };
  }
  return { kind: 'bytes', status: 200, contentType, body, headers };
}

/** Whether the client shows that it has the document with this (quoted) ETag. */
export function isKnown(request: Request, etag: string): boolean {
  const known = header(request, 'if-none-match');
  return known !== undefined && known.split(',').some(tag => tag.trim().replace(/^W\//, '') === etag);
}
