import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { canonicalElement, canonicalRule, priorityNumber } from './nft-canonical.ts';
import { diffNft } from './nft-diff.ts';
import type { NftWantedTable } from './nft-diff.ts';
import { renderNft, renderNftChanges } from './nft.ts';
import type { NftCommand } from './nft.ts';
import { parseNftJson } from './nft-ruleset.ts';

const RENDERED: { name: string; command: NftCommand; text: string }[] = [
  { name: 'a table', command: { kind: 'addTable', comment: 'mine' }, text: 'add table ip t { comment "mine" ; }' },
  { name: 'a removal', command: { kind: 'removeTable' }, text: 'add table ip t\ndelete table ip t' },
  {
    name: 'a base chain',
    command: {
      kind: 'addChain',
      chain: 'pre',
      hook: { type: 'nat', hook: 'prerouting', priority: 'dstnat - 5', policy: 'accept' },
      comment: 'c',
    },
    text: 'add chain ip t pre { type nat hook prerouting priority dstnat - 5 ; policy accept ; comment "c" ; }',
  },
  {
    name: 'an ingress chain',
    command: {
      kind: 'addChain',
      chain: 'in',
      hook: { type: 'filter', hook: 'ingress', priority: -500, device: 'eth0' },
    },
    text: 'add chain ip t in { type filter hook ingress device "eth0" priority -500 ; }',
  },
  {
    name: 'a set with all there is',
    command: {
      kind: 'addSet',
      name: 's',
      type: 'ipv4_addr . inet_service',
      flags: ['interval', 'timeout'],
      size: 10,
      timeoutSeconds: 60,
      gcIntervalSeconds: 5,
      autoMerge: true,
      counter: true,
      comment: 'c',
      elements: ['10.0.0.0/8 . 80'],
    },
    text: 'add set ip t s { type ipv4_addr . inet_service ; flags interval,timeout ; size 10 ; timeout 60s ; gc-interval 5s ; auto-merge ; counter ; comment "c" ; elements = { 10.0.0.0/8 . 80 } ; }',
  },
  {
    name: 'a map by expressions',
    command: { kind: 'addMap', name: 'm', typeof: 'ip daddr . tcp dport : ip daddr' },
    text: 'add map ip t m { typeof ip daddr . tcp dport : ip daddr ; }',
  },
  {
    name: 'elements',
    command: {
      kind: 'addElements',
      set: 'm',
      elements: [
        '10.0.0.1 : drop',
        { key: '10.0.0.2', value: 'goto c', comment: 'b', timeoutSeconds: 5, counter: { packets: 1, bytes: 2 } },
      ],
    },
    text: 'add element ip t m { 10.0.0.1 : drop, 10.0.0.2 timeout 5s counter packets 1 bytes 2 comment "b" : goto c }',
  },
  {
    name: 'no elements',
    command: { kind: 'deleteElements', set: 'm', elements: [] },
    text: '# no element of m',
  },
  {
    name: 'elements that may be absent',
    command: { kind: 'removeElements', set: 'm', elements: ['10.0.0.1 : drop'] },
    text: 'add element ip t m { 10.0.0.1 : drop }\ndelete element ip t m { 10.0.0.1 }',
  },
  {
    name: 'a rule of text',
    command: { kind: 'insertRule', chain: 'c', handle: 7, statement: 'ip daddr 10.0.0.1 drop', comment: 'no' },
    text: 'insert rule ip t c handle 7 ip daddr 10.0.0.1 drop comment "no"',
  },
  {
    name: 'a rule of statements',
    command: {
      kind: 'replaceRule',
      chain: 'c',
      handle: 7,
      statement: [
        {
          match: {
            op: '!=',
            left: { payload: { protocol: 'ip', field: 'saddr' } },
            right: { prefix: { addr: '10.0.0.0', len: 8 } },
          },
        },
        { match: { op: '==', left: { meta: { key: 'iifname' } }, right: { set: ['eth0', 'lo'] } } },
        { counter: null },
        { goto: { target: 'masquerade' } },
      ],
    },
    text: 'replace rule ip t c handle 7 ip saddr != 10.0.0.0/8 iifname { "eth0", "lo" } counter goto masquerade',
  },
  {
    name: 'a rule that goes',
    command: { kind: 'deleteRule', chain: 'c', handle: 7 },
    text: 'delete rule ip t c handle 7',
  },
];

describe('renderNft()', () => {
  test.each(RENDERED)('writes $name', ({ command, text }) => {
    expect(renderNft('ip', 't', [command])).toBe(`${text}\n`);
  });

  test('writes several tables as one input, and nothing for nothing', () => {
    const commands: NftCommand[] = [{ kind: 'addTable' }];
    expect(
      renderNftChanges([
        { family: 'ip', table: 'a', commands },
        { family: 'ip6', table: 'b', commands },
      ]),
    ).toBe('add table ip a\nadd table ip6 b\n');
    expect(renderNftChanges([])).toBe('');
  });

  test('lets nothing out of its place', () => {
    const refused = (command: NftCommand) => expect(() => renderNft('ip', 't', [command])).toThrow(RangeError);
    refused({ kind: 'addRule', chain: 'a', statement: 'x\nflush ruleset' });
    refused({ kind: 'addRule', chain: 'a', statement: 'drop', comment: 'a" ; flush ruleset' });
    refused({ kind: 'addRule', chain: 'a', statement: 'drop', comment: 'x'.repeat(129) });
    refused({ kind: 'addChain', chain: 'a b' });
    refused({ kind: 'addChain', chain: 'a;flush' });
    refused({ kind: 'addElements', set: 's', elements: [{ key: 'a', comment: '"' }] });
    refused({ kind: 'addElements', set: 's', elements: ['a\u0000'] });
    fc.assert(
      fc.property(fc.string(), text => {
        try {
          expect(renderNft('ip', 't', [{ kind: 'addTable', comment: text }]).split('\n')).toHaveLength(2);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
    );
  });
});

test.each([
  ['10.0.0.7/8 .  tcp . 0x50', '10.0.0.0/8 . tcp . 80'],
  ['FD00:0::1/128', 'fd00::1'],
  ['"eth0"', 'eth0'],
  ['00:11:22:33:44:55', '00:11:22:33:44:55'],
  ['goto svc-1.2', 'goto svc-1.2'],
  ['10.0.0.1-10.0.0.9', '10.0.0.1-10.0.0.9'],
])('canonicalElement(%s) is %s', (text, want) => {
  expect(canonicalElement(text)).toBe(want);
});

test('canonicalRule() sees through numbers, counts, order and quotes', () => {
  const one = canonicalRule(
    'iifname "eth0"  ct state established,related meta mark & 0x4000 == 0x4000 tcp dport { 443, 80 } counter packets 5 bytes 6 drop',
  );
  expect(one).toBe(
    canonicalRule(
      'iifname eth0 ct state related,established meta mark & 16384 == 16384 tcp dport { 80, 443 } counter drop',
    ),
  );
  expect(one).not.toBe(canonicalRule('drop'));
});

test.each([
  ['dstnat', 'ip', -100],
  ['filter - 10', 'inet', -10],
  ['srcnat+5', 'ip6', 105],
  ['filter', 'bridge', -200],
  ['-7', 'ip', -7],
  [3, 'ip', 3],
  ['nonsense', 'ip', undefined],
])('priorityNumber(%j, %s) is %j', (priority, family, want) => {
  expect(priorityNumber(priority, family)).toBe(want);
});

describe('diffNft()', () => {
  const found = parseNftJson(
    JSON.stringify({
      nftables: [
        { table: { family: 'ip', name: 't', handle: 1 } },
        {
          map: {
            ...{ family: 'ip', table: 't', name: 'm', handle: 2, type: 'ipv4_addr', map: 'verdict' },
            elem: [
              ['10.0.0.1', { drop: null }],
              [{ elem: { val: '10.0.0.2', comment: 'kept' } }, { goto: { target: 'c' } }],
            ],
          },
        },
        { chain: { family: 'ip', table: 't', name: 'c', handle: 3 } },
        { chain: { family: 'ip', table: 't', name: 'old', handle: 4 } },
        ...['accept', 'drop'].map((verdict, i) => ({
          rule: {
            family: 'ip',
            table: 't',
            chain: 'c',
            handle: 10 + i,
            expr: [{ counter: { packets: 3, bytes: 4 } }, { [verdict]: null }],
          },
        })),
      ],
    }),
  ).get('ip t');
  const wanted = (spec: Partial<NftWantedTable>): NftWantedTable => ({
    family: 'ip',
    chains: new Map([['c', { rules: [{ statement: 'counter accept' }, { statement: 'counter drop' }] }]]),
    sets: new Map([
      [
        'm',
        {
          kind: 'map',
          spec: { type: 'ipv4_addr : verdict' },
          elements: ['10.0.0.1 : drop', { key: '10.0.0.2', value: 'goto c', comment: 'kept' }],
        },
      ],
    ]),
    ...spec,
  });

  test('names only what is left over when the rest is as wanted', () => {
    expect(diffNft(wanted({}), found)).toEqual([
      { kind: 'flushChain', chain: 'old' },
      { kind: 'deleteChain', chain: 'old' },
    ]);
  });

  test('replaces single elements and rules', () => {
    const commands = diffNft(
      wanted({
        chains: new Map([
          ['c', { rules: [{ statement: 'counter accept' }, { statement: 'return' }] }],
          ['old', { rules: [{ statement: 'accept', comment: 'new' }] }],
        ]),
        sets: new Map([
          [
            'm',
            { kind: 'map', spec: { type: 'ipv4_addr : verdict' }, elements: ['10.0.0.1 : accept', '10.0.0.3 : drop'] },
          ],
        ]),
      }),
      found,
    );
    expect(commands).toEqual([
      { kind: 'deleteElements', set: 'm', elements: ['10.0.0.1', '10.0.0.2'] },
      { kind: 'addElements', set: 'm', elements: ['10.0.0.1 : accept', '10.0.0.3 : drop'] },
      { kind: 'deleteRule', chain: 'c', handle: 11 },
      { kind: 'addRule', chain: 'c', statement: 'return' },
      { kind: 'addRule', chain: 'old', statement: 'accept', comment: 'new' },
    ]);
  });

  test('makes the table anew if a declaration changed', () => {
    const sets = new Map([['m', { kind: 'map', spec: { type: 'ipv4_addr : verdict', flags: ['interval'] } } as const]]);
    expect(
      diffNft(wanted({ sets }), found)
        .map(command => command.kind)
        .slice(0, 4),
    ).toEqual(['deleteTable', 'addTable', 'addChain', 'addMap']);
  });
});
