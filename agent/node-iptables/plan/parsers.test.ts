/** Garbage never hangs a parser, and never makes it throw anything but its own error. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { parseFlows } from './conntrack.ts';
import { explainNftRule } from './explain/explain-nft-rule.ts';
import { explainRule } from './explain/explain-rule.ts';
import { walkChain } from './explain/walk-chain.ts';
import { walkNft } from './explain/walk-nft.ts';
import { parseIpsetSave } from './ipset-save.ts';
import { canonicalElement, canonicalRule } from './nft-canonical.ts';
import { expressionText } from './nft-expression.ts';
import { parseNftJson } from './nft-ruleset.ts';
import { statementsText } from './nft-statement.ts';
import { ParseError } from './parse-error.ts';
import { parseRule } from './parse-rule.ts';
import { parseSave } from './parse-save.ts';
import { renderRule } from './render-rule.ts';

const SAVED = readFileSync(new URL('../testdata/save-iptables-nft.txt', import.meta.url), 'utf8');
const NFT = JSON.stringify({
  nftables: [
    { table: { family: 'ip', name: 't', handle: 1 } },
    { map: { family: 'ip', table: 't', name: 'm', handle: 2, type: ['ipv4_addr', 'inet_service'], map: 'verdict' } },
    { chain: { family: 'ip', table: 't', name: 'c', handle: 3, type: 'nat', hook: 'prerouting', prio: -100 } },
    {
      rule: {
        family: 'ip',
        table: 't',
        chain: 'c',
        handle: 4,
        expr: [
          { match: { op: '==', left: { payload: { protocol: 'ip', field: 'daddr' } }, right: '10.0.0.1' } },
          { counter: { packets: 1, bytes: 2 } },
          { vmap: { key: { meta: { key: 'l4proto' } }, data: { set: [['tcp', { goto: { target: 'c' } }]] } } },
        ],
      },
    },
  ],
});
const IPSET =
  'create s hash:net,port family inet hashsize 1024 maxelem 9 timeout 5 counters comment\nadd s 10.0.0.0/8,tcp:1 timeout 3 nomatch comment "a b"\n';

/** A text with pieces cut out, doubled or replaced. */
function damaged(text: string): fc.Arbitrary<string> {
  const at = fc.nat({ max: text.length });
  return fc
    .array(
      fc.tuple(at, at, fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom('"', '\\', '!', '\n', '{', '[', '-j'))),
      {
        minLength: 1,
        maxLength: 4,
      },
    )
    .map(edits => {
      let now = text;
      for (const [a, b, put] of edits)
        now = now.slice(0, Math.min(a, b)) + put + now.slice(Math.min(Math.max(a, b), Math.min(a, b) + 40));
      return now;
    });
}

function onlyOwnError(act: () => unknown): void {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(ParseError);
  }
}

describe.each([
  {
    name: 'parseSave',
    sample: SAVED,
    act: (text: string) => {
      const tables = parseSave(text);
      for (const chains of tables.values()) for (const chain of chains.keys()) walkChain(chains, chain);
    },
  },
  {
    name: 'parseRule',
    sample: '! -s 10.0.0.0/8 -p tcp -m comment --comment "-j a" -m tcp ! --dport 80:90 -j REJECT --reject-with x',
    act: (text: string) => explainRule(parseRule(text)),
  },
  {
    name: 'parseNftJson',
    sample: NFT,
    act: (text: string) => {
      for (const table of parseNftJson(text).values()) {
        for (const chain of table.chains.values()) {
          walkNft(table, chain.name, { protocol: 'tcp', destination: '10.0.0.1' });
          for (const rule of chain.rules) canonicalRule(rule.statements);
        }
      }
    },
  },
  { name: 'parseIpsetSave', sample: IPSET, act: parseIpsetSave },
  {
    name: 'parseFlows',
    sample: 'udp 17 2 src=1.1.1.1 dst=2.2.2.2 sport=1 dport=2 src=2.2.2.2 dst=1.1.1.1 sport=2 dport=1 use=1',
    act: parseFlows,
  },
  { name: 'canonicalElement', sample: '10.0.0.0/8 . tcp . 0x50', act: canonicalElement },
])('$name()', ({ sample, act }) => {
  test('takes its sample', () => {
    act(sample);
  });
  test('throws nothing but its own error on anything', () => {
    fc.assert(fc.property(fc.string({ maxLength: 200 }), text => onlyOwnError(() => act(text))));
  });
  test('throws nothing but its own error on what was damaged', () => {
    fc.assert(
      fc.property(damaged(sample), text => onlyOwnError(() => act(text))),
      { numRuns: 60 },
    );
  });
});

test('JSON of any shape is text, or an error of the library', () => {
  const keys = fc.constantFrom(
    'match',
    'left',
    'right',
    'op',
    'concat',
    'set',
    'elem',
    'val',
    'dnat',
    'addr',
    'map',
    'key',
    'data',
    'vmap',
    'goto',
    'limit',
    'log',
    'prefix',
    'meta',
    'payload',
    '&',
  );
  const { node } = fc.letrec(tie => ({
    node: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom<unknown>(null, 0, 1.5, '', 'a', '@s', '"', true),
      fc.array(tie('node'), { maxLength: 3 }),
      fc.dictionary(keys, tie('node'), { maxKeys: 3 }),
    ),
  }));
  const ownError = (act: () => unknown): void => {
    try {
      act();
    } catch (error) {
      // A string that nft has no way to say is a RangeError.
      if (!(error instanceof RangeError)) expect(error).toBeInstanceOf(ParseError);
    }
  };
  fc.assert(
    fc.property(fc.array(fc.dictionary(keys, node, { minKeys: 1, maxKeys: 1 })), statements => {
      ownError(() => statementsText(statements));
      ownError(() => explainNftRule({ statements }));
    }),
    { numRuns: 300 },
  );
});

test('what is nested without end is refused, not followed', () => {
  let deep: unknown = 'x';
  for (let i = 0; i < 20_000; i++) deep = { concat: [deep] };
  expect(() => expressionText(deep)).toThrow(ParseError);
});

test('parseRule() keeps every word of what it does not know', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.stringMatching(/^--[a-z]{3,8}$/), fc.stringMatching(/^[a-z0-9,:./]{1,12}$/)), {
        minLength: 1,
        maxLength: 4,
      }),
      options => {
        const text = `-m unknownmodule ${options.flat().join(' ')} -j UNKNOWN ${options.flat().join(' ')}`;
        expect(renderRule(parseRule(text))).toBe(text);
      },
    ),
  );
});
