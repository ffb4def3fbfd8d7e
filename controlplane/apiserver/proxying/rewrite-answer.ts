/**
 * The answer of a pod or service as a browser can use it below a proxy path: its redirects and the links of its HTML lead through the proxy.
 * Source: Kubernetes `apimachinery/pkg/util/proxy/transport.go`, 1.36.
 */
import { pipeline, type Readable, type Transform } from 'node:stream';
import { createDeflate, createGunzip, createGzip, createInflate } from 'node:zlib';
import type { Response, StreamResponse } from '../server/request.ts';
import { rewriteLink, rewriteLinks, type LinkRewrite } from './rewrite-links.ts';

/** @param hasBody false for the answer to a HEAD request */
export function rewriteAnswer(answer: Response, rewrite: LinkRewrite, hasBody: boolean): Response {
  if (answer.kind !== 'stream') return answer;
  const { location } = answer.headers ?? {};
  if (typeof location === 'string') {
    const headers = { ...answer.headers, location: rewriteLink(location, rewrite) };
    return rewriteBody({ ...answer, headers }, rewrite, hasBody);
  }
  return rewriteBody(answer, rewrite, hasBody);
}

function rewriteBody(answer: StreamResponse, rewrite: LinkRewrite, hasBody: boolean): StreamResponse {
  const type = answer.headers?.['content-type'];
  if (!hasBody || typeof type !== 'string' || !/^text\/html(?:$|[\s;])/i.test(type)) return answer;
  const coding = codingOf(answer.headers?.['content-encoding']);
  if (coding === undefined) return answer;
  // Its length changes.
  const { 'content-length': _, ...headers } = answer.headers ?? {};
  return { ...answer, headers, body: chain(answer.body, [...coding.decode, rewriteLinks(rewrite), ...coding.encode]) };
}

/** @returns undefined for one that is not spoken here: such a page passes as it is */
function codingOf(
  encoding: string | readonly string[] | undefined,
): { decode: Transform[]; encode: Transform[] } | undefined {
  switch (encoding) {
    case undefined:
    case '':
    case 'identity':
      return { decode: [], encode: [] };
    case 'gzip':
      return { decode: [createGunzip()], encode: [createGzip()] };
    case 'deflate':
      return { decode: [createInflate()], encode: [createDeflate()] };
    default:
      return undefined;
  }
}

/** An error anywhere ends the last stream, where whoever reads sees it. */
function chain(source: Readable, steps: readonly Transform[]): Readable {
  return pipeline([source, ...steps], () => undefined) as unknown as Readable;
}
