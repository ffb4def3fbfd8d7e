import { PassThrough } from 'node:stream';
import { expect, test } from '@jest/globals';
import { WireRequest } from './wire-request.ts';

const CONNECTION = { remoteAddress: '', certificate: undefined };

test.each([
  ['/api?x=1', '/api', 'x=1'],
  ['/', '/', ''],
  ['http://proxy.example/api/v1/pods?watch=1', '/api/v1/pods', 'watch=1'],
  ['HTTPS://proxy.example', '/', ''],
  ['https://proxy.example?a=b', '/', 'a=b'],
  ['*', '*', ''],
  ['//host/path', '//host/path', ''],
])('a request for %s is for path %s', (target, path, rawQuery) => {
  const request = new WireRequest('GET', target, {}, new PassThrough(), CONNECTION);
  expect([request.path, request.rawQuery]).toEqual([path, rawQuery]);
});
