import { describe, expect, test } from '@jest/globals';
import { Readable } from 'node:stream';
import { deflateSync, gunzipSync, gzipSync, inflateSync } from 'node:zlib';
import type { Headers, StreamResponse } from '../server/request.ts';
import { rewriteAnswer } from './rewrite-answer.ts';

const rewrite = { prefix: '/p/proxy', host: undefined, backend: '10.0.0.1:80' };
const html = '<a href="/x">x</a>';
const wanted = '<a href="/p/proxy/x">x</a>';

function answer(headers: Headers, body: Buffer | string = html): StreamResponse {
  return { kind: 'stream', status: 200, headers, body: Readable.from([Buffer.from(body)]) };
}

async function bodyOf(response: StreamResponse): Promise<Buffer> {
  return Buffer.concat((await response.body.toArray()) as Buffer[]);
}

describe('rewriteAnswer()', () => {
  test('changes the links of HTML and forgets its length', async () => {
    const before = answer({ 'content-type': 'text/html; charset=utf-8', 'content-length': '18' });
    const after = rewriteAnswer(before, rewrite, true) as StreamResponse;
    expect(after.headers).toEqual({ 'content-type': 'text/html; charset=utf-8' });
    expect((await bodyOf(after)).toString()).toBe(wanted);
  });

  test.each([
    ['gzip', gzipSync(html), gunzipSync],
    ['deflate', deflateSync(html), inflateSync],
  ] as const)('keeps the encoding %s', async (encoding, body, decode) => {
    const headers = { 'content-type': 'text/html', 'content-encoding': encoding };
    const after = rewriteAnswer(answer(headers, body), rewrite, true) as StreamResponse;
    expect(after.headers).toEqual(headers);
    expect(decode(await bodyOf(after)).toString()).toBe(wanted);
  });

  test('sends redirects through the proxy', () => {
    const after = rewriteAnswer(answer({ location: 'http://10.0.0.1:80/login' }), rewrite, true);
    expect(after.headers).toEqual({ location: '/p/proxy/login' });
  });

  test.each([
    ['other types', answer({ 'content-type': 'text/plain' }), true],
    ['encodings that it does not speak', answer({ 'content-type': 'text/html', 'content-encoding': 'br' }), true],
    ['an answer without a body', answer({ 'content-type': 'text/html', 'content-length': '5' }), false],
  ])('leaves %s alone', (_, before, hasBody) => {
    expect(rewriteAnswer(before, rewrite, hasBody)).toBe(before);
  });

  test('a page that is not what its encoding says ends with an error', async () => {
    const broken = answer({ 'content-type': 'text/html', 'content-encoding': 'gzip' }, 'no gzip');
    await expect(bodyOf(rewriteAnswer(broken, rewrite, true) as StreamResponse)).rejects.toThrow();
  });
});
