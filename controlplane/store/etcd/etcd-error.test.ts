import { expect, test } from '@jest/globals';
import { status } from '@grpc/grpc-js';
import { failureOf } from './etcd-error.ts';

// As grpc-js 1.14 on Node.js 20 tells them of etcd 3.4.
test.each([
  {
    name: 'plain HTTP, asked in TLS',
    last: 'Error: Client network socket disconnected before secure TLS connection was established',
    want: 'begins with http:',
  },
  {
    name: 'TLS, asked in plain HTTP',
    last: 'Failed to connect (2026-01-01T00:00:00.000Z)',
    want: 'begins with https:',
  },
  { name: 'an authority nobody knows', last: 'Error: unable to verify the first certificate', want: '--etcd-cafile' },
  {
    name: 'no certificate shown',
    last: '80FC694FE27F0000:error:0A000412:SSL routines:ssl3_read_bytes:sslv3 alert bad certificate:../deps/x.c:1601:SSL alert number 42\n',
    want: '--etcd-certfile',
  },
])('failureOf() a connection says what to look at: $name', ({ last, want }) => {
  const details = `No connection established. Last error: ${last}. Resolution note: `;
  expect(failureOf(status.UNAVAILABLE, details, 'https://a:1').message).toContain(want);
});

test('failureOf() a refused connection needs no hint', () => {
  const details = 'No connection established. Last error: Error: connect ECONNREFUSED 127.0.0.1:1. Resolution note: ';
  const { message } = failureOf(status.UNAVAILABLE, details, 'http://127.0.0.1:1');
  expect(message).toBe('http://127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1');
});
