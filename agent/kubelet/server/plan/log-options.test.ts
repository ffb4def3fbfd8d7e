import { expect, test } from '@jest/globals';
import { parseLogOptions, selectLine } from './log-options.ts';
import { nodeAccess } from './node-request.ts';

const NOW = Date.parse('2026-01-01T00:00:10Z');
const parse = (query: string) => parseLogOptions(new URLSearchParams(query), NOW);

test.each([
  ['tailLines=-1', 'tailLines: must be greater than or equal to 0'],
  ['limitBytes=0', 'limitBytes: must be greater than 0'],
  ['sinceSeconds=x', 'sinceSeconds: must be greater than 0'],
  ['sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z', 'at most one of `sinceTime` or `sinceSeconds` may be specified'],
  ['sinceTime=soon', 'sinceTime: "soon" is no RFC 3339 time'],
])('parseLogOptions() refuses %s', (query, want) => {
  expect(parse(query)).toBe(want);
});

test('parseLogOptions() reads what kubectl sends', () => {
  expect(parse('follow=true&tailLines=5&sinceSeconds=4&timestamps=true')).toEqual({
    follow: true,
    previous: false,
    timestamps: true,
    tailLines: 5,
    limitBytes: undefined,
    sinceMs: NOW - 4000,
    stream: 'All',
  });
});

const line = (tag: string, text = 'hello world'): Buffer =>
  Buffer.from(`2026-01-01T00:00:05.123456789Z stderr ${tag} ${text}`);
const all = { timestamps: false, sinceMs: undefined, stream: 'All' } as const;

test.each([
  ['a whole line', line('F'), all, 'hello world\n'],
  ['a part has no newline', line('P'), all, 'hello world'],
  ['with its time', line('F'), { ...all, timestamps: true }, '2026-01-01T00:00:05.123456789Z hello world\n'],
  ['too old', line('F'), { ...all, sinceMs: NOW }, undefined],
  ['of the other stream', line('F'), { ...all, stream: 'Stdout' as const }, undefined],
  ['empty', line('F', ''), all, '\n'],
  ['no log line at all', Buffer.from('garbage'), all, undefined],
])('selectLine() %s', (_name, raw, options, want) => {
  expect(selectLine(raw, options)?.toString()).toBe(want);
});

test.each([
  ['GET', '/metrics/resource', 'get', ['metrics']],
  ['POST', '/exec/ns/pod/c', 'create', ['proxy']],
  ['GET', '/pods', 'get', ['pods', 'proxy']],
])('nodeAccess() %s %s', (method, path, verb, subresources) => {
  expect(nodeAccess(method, path)).toEqual({ verb, subresources });
});
