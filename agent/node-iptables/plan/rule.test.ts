import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { canonicalRule } from '../testdata/arbitrary-rules.ts';
import { diffChains } from './diff.ts';
import { diffTable } from './diff-table.ts';
import { parseRule } from './parse-rule.ts';
import { splitWords } from './words.ts';
import { parseSave } from './parse-save.ts';
import { renderRule } from './render-rule.ts';
import { isEmptyChange, renderRestore } from './restore.ts';
import { onePort, orMark, xorMark } from './rule.ts';
import type { Rule } from './rule.ts';

const CASES: { name: string; rule: Rule; text: string }[] = [
  { name: 'nothing', rule: {}, text: '' },
  {
    name: 'a service address',
    rule: {
      source: { cidr: '10.244.0.0/16', not: true },
      destination: { cidr: '10.96.0.5/32' },
      protocol: 'tcp',
      matches: [
        { kind: 'comment', text: 'default/a:http cluster IP' },
        { kind: 'port', protocol: 'tcp', destination: onePort(80) },
      ],
      target: { kind: 'jump', chain: 'KUBE-MARK-MASQ' },
    },
    text: '! -s 10.244.0.0/16 -d 10.96.0.5/32 -p tcp -m comment --comment "default/a:http cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ',
  },
  { name: 'or-mark', rule: { target: orMark(0x4000) }, text: '-j MARK --set-xmark 0x4000/0x4000' },
  { name: 'xor-mark', rule: { target: xorMark(0x4000) }, text: '-j MARK --set-xmark 0x4000/0x0' },
  {
    name: 'a third',
    rule: { matches: [{ kind: 'random', probability: 0.33333333349 }], target: { kind: 'jump', chain: 'X' } },
    text: '-m statistic --mode random --probability 0.33333333349 -j X',
  },
  {
    name: 'affinity',
    rule: {
      matches: [{ kind: 'recent', action: 'rcheck', seconds: 10, reap: true, name: 'S' }],
      target: { kind: 'goto', chain: 'X' },
    },
    text: '-m recent --rcheck --seconds 10 --reap --name S --mask 255.255.255.255 --rsource -g X',
  },
  {
    name: 'an unknown module, word for word',
    rule: {
      matches: [{ kind: 'other', module: 'ttl', args: ['--ttl-lt', '5'] }],
      target: { kind: 'other', name: 'NFLOG', args: ['--nflog-prefix', 'a b'] },
    },
    text: '-m ttl --ttl-lt 5 -j NFLOG --nflog-prefix "a b"',
  },
  {
    name: 'a set',
    rule: { matches: [{ kind: 'set', name: 's', flags: 'dst,dst', not: true }] },
    text: '-m set ! --match-set s dst,dst',
  },
];

describe('renderRule() and parseRule()', () => {
  test.each(CASES)('agree on $name', ({ rule, text }) => {
    expect(renderRule(rule)).toBe(text);
    expect(parseRule(text)).toEqual(rule);
  });

  test('are inverse for every canonical rule', () => {
    fc.assert(fc.property(canonicalRule, rule => expect(parseRule(renderRule(rule))).toEqual(rule)));
  });

  test('refuse what would start a new line', () => {
    expect(() => renderRule({ matches: [{ kind: 'comment', text: 'a\nCOMMIT' }] })).toThrow(RangeError);
    expect(() => renderRule({ source: { cidr: '1.1.1.1/32\n-F' } })).toThrow(RangeError);
    expect(() => renderRule({ matches: [{ kind: 'port', protocol: 'tcp', destination: onePort(70000) }] })).toThrow(
      RangeError,
    );
  });

  test('splitWords() gives back any words that were quoted', () => {
    expect(splitWords('a "b c" "d\\"e" ""')).toEqual(['a', 'b c', 'd"e', '']);
  });
});

describe('renderRestore()', () => {
  test('declares, removes, fills, inserts, appends and deletes in that order', () => {
    const text = renderRestore([
      {
        table: 'nat',
        chains: new Map([['A', [{ target: { kind: 'return' } }]]]),
        remove: [{ chain: 'B', rule: '-j OLD' }],
        insert: [{ chain: 'PREROUTING', rule: '-j A' }],
        append: [{ chain: 'B', rule: '-j NEW' }],
        deleteChains: ['OLD'],
      },
    ]);
    expect(text.split('\n')).toEqual([
      '*nat',
      ':A - [0:0]',
      ':OLD - [0:0]',
      '-D B -j OLD',
      '-A A -j RETURN',
      '-I PREROUTING 1 -j A',
      '-A B -j NEW',
      '-X OLD',
      'COMMIT',
      '',
    ]);
  });

  test('refuses to empty a built-in chain', () => {
    expect(() => renderRestore([{ table: 'nat', chains: new Map([['OUTPUT', []]]) }])).toThrow(RangeError);
  });

  test('isEmptyChange() sees that nothing is to do', () => {
    expect(isEmptyChange({ table: 'nat', chains: new Map() })).toBe(true);
    expect(isEmptyChange({ table: 'nat', deleteChains: ['A'] })).toBe(false);
  });
});

describe('parseSave() and diffChains()', () => {
  const saved = parseSave(
    [
      '# c',
      '*nat',
      ':OUTPUT ACCEPT [1:2]',
      ':MY-A - [0:0]',
      ':MY-B - [0:0]',
      ':ELSE - [0:0]',
      '[3:4] -A MY-A -j RETURN',
      '-A OUTPUT -j MY-A',
      'COMMIT',
      '',
    ].join('\n'),
  );

  test('reads policies, counters and rules', () => {
    const nat = saved.get('nat');
    expect(nat?.get('OUTPUT')).toEqual({
      policy: 'ACCEPT',
      counters: { packets: 1, bytes: 2 },
      rules: [{ text: '-j MY-A' }],
    });
    expect(nat?.get('MY-A')?.rules).toEqual([{ text: '-j RETURN', counters: { packets: 3, bytes: 4 } }]);
    expect(() => parseSave('garbage')).toThrow(SyntaxError);
  });

  test('name what is missing, different and left over, and nothing foreign', () => {
    const wanted = new Map<string, Rule[]>([
      ['MY-A', [{ target: { kind: 'return' } }]],
      ['MY-C', []],
    ]);
    expect(diffChains(wanted, saved.get('nat'), name => name.startsWith('MY-'))).toEqual({
      write: ['MY-C'],
      remove: ['MY-B'],
      unchanged: 1,
    });
  });
});

describe('diffTable()', () => {
  const found = parseSave(
    '*nat\n:OUTPUT ACCEPT [0:0]\n:MY-A - [0:0]\n:MY-B - [0:0]\n-A OUTPUT -j MY-B\n-A OUTPUT -j MY-B\n-A OUTPUT -j ELSE\n-A MY-A -s 10.0.0.1/32 -j ACCEPT\n-A MY-A -s 10.0.0.2/32 -j ACCEPT\nCOMMIT\n',
  ).get('nat');
  const owns = (chain: string) => chain.startsWith('MY-');
  const rule = (n: number) => `-s 10.0.0.${n}/32 -j ACCEPT`;

  test('removes and appends single rules, and takes leftovers with the rules that lead to them', () => {
    const hooks = [{ chain: 'OUTPUT', rule: '-j MY-A', place: 'first' }] as const;
    expect(diffTable({ table: 'nat', chains: new Map([['MY-A', [rule(2), rule(3)]]]), hooks, owns }, found)).toEqual({
      table: 'nat',
      remove: [
        { chain: 'MY-A', rule: rule(1) },
        { chain: 'OUTPUT', rule: '-j MY-B' },
        { chain: 'OUTPUT', rule: '-j MY-B' },
      ],
      insert: [{ chain: 'OUTPUT', rule: '-j MY-A' }],
      append: [{ chain: 'MY-A', rule: rule(3) }],
      deleteChains: ['MY-B'],
    });
  });

  test('writes a chain whole where single rules would not do', () => {
    const chains = new Map([
      ['MY-A', [rule(3), rule(1), rule(2)]],
      ['MY-B', []],
    ]);
    expect(diffTable({ table: 'nat', chains, owns }, found).chains).toEqual(
      new Map([['MY-A', [rule(3), rule(1), rule(2)]]]),
    );
  });
});
