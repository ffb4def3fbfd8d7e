import { describe, expect, test } from '@jest/globals';
import { flowArguments, parseFlows } from './conntrack.ts';
import { canonicalEntry, diffIpset } from './ipset-diff.ts';
import { parseIpsetSave } from './ipset-save.ts';
import { renderIpset } from './ipset.ts';
import type { IpsetCommand } from './ipset.ts';

describe('renderIpset()', () => {
  test.each<[IpsetCommand, string]>([
    [
      {
        kind: 'create',
        set: 's',
        type: 'hash:net,port',
        family: 'ipv6',
        hashSize: 64,
        maxElements: 9,
        timeoutSeconds: 0,
        counters: true,
        comments: true,
        options: ['forceadd'],
      },
      'create s hash:net,port family inet6 hashsize 64 maxelem 9 timeout 0 counters comment forceadd',
    ],
    [
      { kind: 'create', set: 's', type: 'bitmap:port', family: 'ipv6', options: ['range', '1-9'] },
      'create s bitmap:port range 1-9',
    ],
    [
      { kind: 'add', set: 's', entry: '10.0.0.0/8', timeoutSeconds: 5, noMatch: true, comment: 'a b' },
      'add s 10.0.0.0/8 timeout 5 nomatch comment "a b"',
    ],
    [{ kind: 'del', set: 's', entry: '10.0.0.1' }, 'del s 10.0.0.1'],
    [{ kind: 'swap', set: 'a', other: 'b' }, 'swap a b'],
    [{ kind: 'destroy', set: 'a' }, 'destroy a'],
  ])('%j', (command, text) => {
    expect(renderIpset([command])).toBe(`${text}\n`);
  });

  test('refuses what is no word, no name or no comment', () => {
    for (const command of [
      { kind: 'add', set: 's', entry: '1.1.1.1\nflush' },
      { kind: 'add', set: 's', entry: '1.1.1.1', comment: 'a" flush "' },
      { kind: 'flush', set: 'x'.repeat(32) },
      { kind: 'flush', set: '' },
    ] as const)
      expect(() => renderIpset([command])).toThrow(RangeError);
  });
});

const SAVED = `create s hash:net family inet hashsize 1024 maxelem 65536 timeout 600 counters comment bucketsize 12 initval 0x1c4ae955
add s 10.0.0.0/8 timeout 0 nomatch packets 1 bytes 2
add s 10.0.0.1 timeout 5 packets 0 bytes 0 comment "x  y"
create p bitmap:port range 1-100
`;

test('parseIpsetSave() reads sets, entries, ages, counts and comments', () => {
  const sets = parseIpsetSave(SAVED);
  expect(sets.get('s')).toEqual({
    ...{ set: 's', type: 'hash:net', family: 'ipv4', hashSize: 1024, maxElements: 65536, timeoutSeconds: 600 },
    ...{ counters: true, comments: true, options: ['bucketsize', '12', 'initval', '0x1c4ae955'] },
    entries: [
      { set: 's', entry: '10.0.0.0/8', timeoutSeconds: 0, noMatch: true, counters: { packets: 1, bytes: 2 } },
      { set: 's', entry: '10.0.0.1', timeoutSeconds: 5, comment: 'x  y', counters: { packets: 0, bytes: 0 } },
    ],
  });
  expect(sets.get('p')).toEqual({ set: 'p', type: 'bitmap:port', options: ['range', '1-100'], entries: [] });
  expect(() => parseIpsetSave('add nowhere 1.1.1.1')).toThrow(SyntaxError);
});

test('diffIpset() adds before it removes, and sees through spellings', () => {
  const spec = { set: 's', type: 'hash:net', timeoutSeconds: 600, counters: true, comments: true } as const;
  const found = parseIpsetSave(SAVED).get('s');
  const entries = [
    { entry: '10.0.0.1/32', comment: 'x  y' },
    { entry: '10.9.9.9/8', noMatch: true },
  ];
  expect(diffIpset({ spec, entries }, found)).toEqual([]);
  expect(diffIpset({ spec, entries: [{ entry: '11.0.0.0/8' }] }, found)).toEqual([
    { kind: 'add', set: 's', entry: '11.0.0.0/8' },
    { kind: 'del', set: 's', entry: '10.0.0.0/8' },
    { kind: 'del', set: 's', entry: '10.0.0.1' },
  ]);
});

test.each([
  ['hash:ip,port', '10.0.0.1,80', '10.0.0.1,tcp:80'],
  ['hash:net,port', 'FD00:0::1/64,udp:53', 'fd00::/64,udp:53'],
  ['hash:net', 'fd00::1/128', 'fd00::1'],
  ['hash:mac', 'aa:bb:cc:dd:ee:ff', 'AA:BB:CC:DD:EE:FF'],
  ['list:set', 'other', 'other'],
] as const)('canonicalEntry() of %s: %s is %s', (type, entry, want) => {
  expect(canonicalEntry({ type }, entry)).toBe(want);
});

test('parseFlows() reads where a flow went and who answers', () => {
  const text = `udp      17 26 src=10.244.0.3 dst=10.96.0.10 sport=40000 dport=53 [UNREPLIED] src=10.244.0.9 dst=10.244.0.3 sport=5353 dport=40000 mark=0 use=1
tcp      6 431999 ESTABLISHED src=fd00::1 dst=fd00::2 sport=1 dport=2 src=fd00::2 dst=fd00::1 sport=2 dport=1 [ASSURED] mark=0 use=1
icmp     1 29 src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=1 src=10.0.0.2 dst=10.0.0.1 type=0 code=0 id=1 mark=0 use=1
`;
  expect(parseFlows(text)).toEqual([
    {
      ...{
        protocol: 'udp',
        originalSource: '10.244.0.3',
        originalSourcePort: 40000,
        originalDestination: '10.96.0.10',
        originalPort: 53,
      },
      ...{ replySource: '10.244.0.9', replyPort: 5353, replyDestination: '10.244.0.3', replyDestinationPort: 40000 },
    },
    {
      ...{
        protocol: 'tcp',
        originalSource: 'fd00::1',
        originalSourcePort: 1,
        originalDestination: 'fd00::2',
        originalPort: 2,
      },
      ...{ replySource: 'fd00::2', replyPort: 2, replyDestination: 'fd00::1', replyDestinationPort: 1 },
    },
  ]);
});

test('flowArguments() names the family where it is not IPv4', () => {
  expect(
    flowArguments({ protocol: 'udp', originalDestination: '10.96.0.1', originalPort: 53, natDestination: '10.0.0.1' }),
  ).toEqual(['-p', 'udp', '--orig-dst', '10.96.0.1', '--dport', '53', '--dst-nat', '10.0.0.1']);
  expect(flowArguments({ protocol: 'udp', natDestination: 'fd00::1' })).toEqual([
    '-f',
    'ipv6',
    '-p',
    'udp',
    '--dst-nat',
    'fd00::1',
  ]);
  expect(flowArguments({ protocol: 'udp', originalPort: 53, family: 'ipv6' })).toEqual([
    '-f',
    'ipv6',
    '-p',
    'udp',
    '--dport',
    '53',
  ]);
});
