import { expect, test } from '@jest/globals';
import { requestInfo } from './request-info.ts';
import type { Request } from './request.ts';

const request = (method: string, target: string): Request => {
  const [path = '', rawQuery = ''] = target.split('?');
  return {
    method,
    path,
    rawQuery,
    query: new URLSearchParams(rawQuery),
    headers: {},
    body: { kind: 'none' },
    signal: new AbortController().signal,
    remoteAddress: '',
  };
};

test.each([
  ['GET', '/api/v1/namespaces', { verb: 'list', resource: 'namespaces', namespace: '' }],
  ['GET', '/api/v1/namespaces/x', { verb: 'get', resource: 'namespaces', namespace: 'x', name: 'x' }],
  [
    'PUT',
    '/api/v1/namespaces/x/finalize',
    { verb: 'update', resource: 'namespaces', name: 'x', subresource: 'finalize' },
  ],
  ['GET', '/api/v1/namespaces/x/pods', { verb: 'list', resource: 'pods', namespace: 'x' }],
  ['GET', '/api/v1/pods?watch=true', { verb: 'watch', resource: 'pods', longRunning: true }],
  ['GET', '/api/v1/watch/namespaces/x/pods', { verb: 'watch', resource: 'pods', namespace: 'x' }],
  ['GET', '/api/v1/namespaces/x/secrets?fieldSelector=metadata.name%3Ds', { verb: 'list', name: 's' }],
  [
    'DELETE',
    '/apis/apps/v1/namespaces/x/deployments',
    { verb: 'deletecollection', group: 'apps', resource: 'deployments' },
  ],
  ['POST', '/api/v1/namespaces/x/pods/p/exec?command=ls', { verb: 'create', subresource: 'exec', longRunning: true }],
  ['GET', '/api/v1/nodes/n/proxy/a/b', { verb: 'get', subresource: 'proxy', rest: ['a', 'b'] }],
  ['GET', '/healthz', { isResource: false, verb: 'get' }],
  ['GET', '/apis/apps/v1', { isResource: false }],
])('requestInfo() of %s %s', (method, target, want) => {
  expect(requestInfo(request(method, target))).toMatchObject(want);
});
