import { describe, expect, test } from '@jest/globals';
import { LineSelector } from './log-selection.ts';
import { journalCommand, parseNodeLogQuery, validateNodeLogQuery } from './node-log-query.ts';
import { nodeAccess } from './node-request.ts';
import { commandStreams, forwardedPorts, streamSubject } from './stream-request.ts';
import { tlsSettings } from './tls-settings.ts';

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

test.each([
  ['GET', '/logs/syslog', ['log']],
  ['POST', '/checkpoint/a/b/c', ['checkpoint']],
  ['GET', '/runningpods/', ['pods', 'proxy']],
  ['GET', '/healthz/ping', ['healthz', 'proxy']],
  ['GET', '/configz', ['configz', 'proxy']],
  ['GET', '/podsandmore', ['proxy']],
])('nodeAccess() %s %s asks for %j', (method, path, subresources) => {
  expect(nodeAccess(method, path).subresources).toEqual(subresources);
});

test.each([
  ['/exec/ns/pod/c', { namespace: 'ns', pod: 'pod', uid: undefined, container: 'c' }],
  ['/exec/ns/pod/uid/c', { namespace: 'ns', pod: 'pod', uid: 'uid', container: 'c' }],
  ['/portForward/ns/pod', { namespace: 'ns', pod: 'pod', uid: undefined, container: '' }],
  ['/portForward/ns/pod/uid', { namespace: 'ns', pod: 'pod', uid: 'uid', container: '' }],
  ['/exec/ns/pod', undefined],
  ['/attach/ns/pod/uid/c/more', undefined],
  ['/portForward/ns', undefined],
])('streamSubject() of %s', (path, want) => {
  expect(streamSubject(path.split('/').slice(1))).toEqual(want);
});

test.each([
  ['input=1&output=1&tty=true&error=1', { stdin: true, stdout: true, stderr: false, tty: true }],
  ['stdout=true&stderr=true', { stdin: false, stdout: true, stderr: true, tty: false }],
  ['tty=1', 'you must specify at least 1 of stdin, stdout, stderr'],
])('commandStreams() of %s', (query, want) => {
  expect(commandStreams(new URLSearchParams(query))).toEqual(want);
});

test.each([
  ['port=80&ports=90,91', [80, 90, 91]],
  ['port=0', 'port "0" is no number between 1 and 65535'],
  ['port=http', 'port "http" is no number between 1 and 65535'],
])('forwardedPorts() of %s', (query, want) => {
  expect(forwardedPorts(new URLSearchParams(query))).toEqual(want);
});

test('tlsSettings() takes names of Go', () => {
  expect(tlsSettings('', [])).toEqual({ minVersion: 'TLSv1.2' });
  expect(tlsSettings('VersionTLS13', ['TLS_AES_128_GCM_SHA256', 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'])).toEqual({
    minVersion: 'TLSv1.3',
    ciphers: 'TLS_AES_128_GCM_SHA256:ECDHE-RSA-AES128-GCM-SHA256',
  });
});

describe('node log queries', () => {
  const parse = (query: string) => parseNodeLogQuery(new URLSearchParams(query));
  const wrong = (query: string): string[] => {
    const { query: parsed, errors } = parse(query);
    return [...errors, ...(parsed === undefined ? [] : validateNodeLogQuery(parsed))].map(String);
  };

  test.each([
    ['query=%20', 'query: Invalid value: [" "]: query cannot be empty'],
    ['tailLines=3', 'query: Required value: cannot be empty with options'],
    ['query=a&query=/b', 'cannot specify a file and service'],
    ['query=/a&query=/b', 'cannot specify more than one file'],
    ['query=/a&boot=0', 'cannot specify file with options'],
    ['query=a%3Brm', 'input contains unsupported characters'],
    ['query=a&query=b&query=c&query=d&query=e', 'query: Too many: 5: must have at most 4 items'],
    ['query=a&boot=1', 'boot: Invalid value: 1: must be less than 1'],
    ['query=a&boot=x', 'strconv.Atoi: parsing "x": invalid syntax'],
    ['query=a&tailLines=100001', 'must be between 0 and 100000, inclusive'],
    ['query=a&sinceTime=soon', 'sinceTime: Invalid value: "soon": invalid time format'],
    ['query=a&sinceTime=2026-01-02T00:00:00Z&untilTime=2026-01-01T00:00:00Z', 'must be after `sinceTime`'],
  ])('%s is refused', (query, message) => {
    expect(wrong(query).join()).toContain(message);
  });

  test('no query is none', () => {
    expect(parse('')).toEqual({ query: undefined, errors: [] });
  });

  test('options become those of journalctl, each one word', () => {
    const { query } = parse(
      'query=kubelet&sinceTime=2026-01-01T00:00:00%2B01:00&tailLines=5&boot=-1&pattern=%24%28reboot%29',
    );
    expect(query === undefined ? [] : journalCommand(query, query.services)).toEqual([
      'journalctl',
      '--utc',
      '--no-pager',
      '--output=short-precise',
      '--since=2025-12-31 23:00:00 UTC',
      '--lines=5',
      '--boot=-1',
      '--grep=$(reboot)',
      '--unit=kubelet',
    ]);
  });
});
