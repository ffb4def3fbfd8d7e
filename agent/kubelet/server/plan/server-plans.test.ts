import { expect, test } from '@jest/globals';
import { LineSelector } from './log-selection.ts';
import { nodeAccess } from './node-request.ts';

const line = (tag: string, text = 'hello world'): Buffer =>
  Buffer.from(`2026-01-01T00:00:05.123456789Z stderr ${tag} ${text}`);
const all = { timestamps: false, sinceMs: undefined, stream: 'All' } as const;

test.each([
  ['a whole line', line('F'), all, 'hello world\n'],
  ['a part has no newline', line('P'), all, 'hello world'],
  ['with its time', line('F'), { ...all, timestamps: true }, '2026-01-01T00:00:05.123456789Z hello world\n'],
  ['too old', line('F'), { ...all, sinceMs: Date.parse('2026-01-01T00:00:10Z') }, ''],
  ['of the other stream', line('F'), { ...all, stream: 'Stdout' as const }, ''],
  ['empty', line('F', ''), all, '\n'],
  ['no log line at all', Buffer.from('garbage'), all, ''],
])('LineSelector %s', (_name, raw, options, want) => {
  expect(Buffer.concat(new LineSelector(options).select(raw)).toString()).toBe(want);
});

test.each([
  ['GET', '/metrics/resource', 'get', ['metrics']],
  ['POST', '/exec/ns/pod/c', 'create', ['proxy']],
  ['GET', '/pods', 'get', ['pods', 'proxy']],
])('nodeAccess() %s %s', (method, path, verb, subresources) => {
  expect(nodeAccess(method, path)).toEqual({ verb, subresources });
});
