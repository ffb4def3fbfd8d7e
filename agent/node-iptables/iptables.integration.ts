/** iptables and ip6tables, of nf_tables and legacy, in a namespace that lives as long as this file. Needs root. */
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { Iptables } from './iptables.ts';
import { diffTable } from './plan/diff-table.ts';
import { isEmptyChange } from './plan/restore.ts';
import { parseRule } from './plan/parse-rule.ts';
import { renderRule } from './plan/render-rule.ts';
import { comment, canonicalRuleOf } from './testdata/arbitrary-rules.ts';
import { ownNamespace } from './testdata/namespace.ts';

const prefix = ownNamespace('iptables');

describe.each([
  { variant: 'nft', family: 'ipv4' },
  { variant: 'legacy', family: 'ipv4' },
  { variant: 'nft', family: 'ipv6' },
  { variant: 'legacy', family: 'ipv6' },
] as const)('Iptables $variant $family', ({ variant, family }) => {
  const iptables = new Iptables({ prefix, variant, family });
  const address = (n: number): string => (family === 'ipv4' ? `192.0.2.${n}/32` : `2001:db8::${n}/128`);

  test('apply() and save() give back every rule as it was written', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(canonicalRuleOf(family), { minLength: 1, maxLength: 60 }), async rules => {
        await iptables.apply([{ table: 'filter', chains: new Map([['T', rules]]) }]);
        const saved = (await iptables.save('filter', true)).get('filter')?.get('T')?.rules ?? [];
        expect(saved.map(rule => rule.text)).toEqual(rules.map(rule => renderRule(rule, family)));
        expect(saved.map(rule => parseRule(rule.text))).toEqual(rules);
        expect(saved.every(rule => rule.counters?.packets === 0)).toBe(true);
      }),
      { numRuns: 6 },
    );
  }, 60_000);

  test('a comment of any printable characters survives', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(comment, { minLength: 1, maxLength: 60 }), async texts => {
        const rules = texts.map(text => ({ matches: [{ kind: 'comment', text } as const] }));
        await iptables.apply([{ table: 'filter', chains: new Map([['C', rules]]) }]);
        const saved = (await iptables.save('filter')).get('filter')?.get('C')?.rules ?? [];
        expect(saved.map(rule => parseRule(rule.text))).toEqual(rules);
      }),
      { numRuns: 3 },
    );
  }, 60_000);

  test('diffTable() leads from any state to any other, and finds nothing to do there', async () => {
    const chain = fc.stringMatching(/^D[A-C]$/);
    const chains = fc.dictionary(
      chain,
      fc.array(
        fc.integer({ min: 1, max: 5 }).map(n => `-s ${address(n)} -j ACCEPT`),
        { maxLength: 6 },
      ),
    );
    await iptables.apply([{ table: 'mangle', append: [{ chain: 'FORWARD', rule: '-j DROP' }] }]);
    await fc.assert(
      fc.asyncProperty(chains, async names => {
        const wanted = {
          table: 'mangle',
          chains: new Map(Object.entries(names)),
          hooks: Object.keys(names).map(name => ({ chain: 'FORWARD', rule: `-j ${name}`, place: 'first' }) as const),
          owns: (name: string) => /^D[A-C]$/.test(name),
        } as const;
        const state = async () => (await iptables.save('mangle')).get('mangle');
        await iptables.apply([diffTable(wanted, await state(), family)]);
        const found = await state();
        expect(isEmptyChange(diffTable(wanted, found, family))).toBe(true);
        for (const [name, rules] of wanted.chains)
          expect(found?.get(name)?.rules.map(rule => rule.text)).toEqual(rules);
        expect([...(found?.keys() ?? [])].filter(wanted.owns).toSorted()).toEqual(Object.keys(names).toSorted());
        expect(found?.get('FORWARD')?.rules.at(-1)?.text).toBe('-j DROP');
      }),
      { numRuns: 8 },
    );
    await iptables.apply([
      diffTable(
        { table: 'mangle', chains: new Map(), owns: name => name.startsWith('D') },
        (await iptables.save('mangle')).get('mangle'),
        family,
      ),
    ]);
    expect(await iptables.listChain('mangle', 'FORWARD')).toEqual(['-j DROP']);
  }, 60_000);

  test('apply() refuses a table as a whole and names the line', async () => {
    await iptables.apply([{ table: 'nat', chains: new Map([['KEEP', ['-j RETURN']]]) }]);
    const failed = iptables.apply([
      {
        table: 'nat',
        chains: new Map([
          ['KEEP', []],
          ['NEW', ['-j NO-SUCH-CHAIN']],
        ]),
      },
    ]);
    await expect(failed).rejects.toMatchObject({
      name: 'CommandError',
      failure: 'refused',
      lineNumber: expect.any(Number),
    });
    expect(await iptables.listChain('nat', 'KEEP')).toEqual(['-j RETURN']);
    expect(await iptables.listChain('nat', 'NEW')).toBeUndefined();
  });

  test('apply() inserts, removes and deletes without touching other rules', async () => {
    const foreign = `-d ${address(1)} -j RETURN`;
    await iptables.apply([
      { table: 'nat', chains: new Map([['MINE', []]]), append: [{ chain: 'OUTPUT', rule: foreign }] },
    ]);
    await iptables.apply([
      { table: 'nat', insert: [{ chain: 'OUTPUT', rule: { target: { kind: 'jump', chain: 'MINE' } } }] },
    ]);
    expect(await iptables.hasRule('nat', 'OUTPUT', '-j MINE')).toBe(true);
    expect(await iptables.hasRule('nat', 'OUTPUT', '-j ACCEPT')).toBe(false);
    expect(await iptables.hasRule('nat', 'NO-SUCH-CHAIN', '-j ACCEPT')).toBe(false);
    expect(await iptables.listChain('nat', 'OUTPUT')).toEqual(['-j MINE', foreign]);
    await iptables.apply([{ table: 'nat', remove: [{ chain: 'OUTPUT', rule: '-j MINE' }], deleteChains: ['MINE'] }]);
    expect(await iptables.listChain('nat', 'OUTPUT')).toEqual([foreign]);
    expect(await iptables.listChain('nat', 'MINE')).toBeUndefined();
  });

  test('restore() takes input in pieces, and none of it if they cannot be made to the end', async () => {
    const pieces = function* (fails: boolean): Iterable<string> {
      yield '*filter\n:PIECES - [0:0]\n';
      for (let i = 0; i < 2000; i++) yield `-A PIECES -s ${address(i % 200)} -j RETURN\n`;
      if (fails) throw new RangeError('no more');
      yield 'COMMIT\n';
    };
    await expect(iptables.restore(pieces(true))).rejects.toThrow('no more');
    expect(await iptables.listChain('filter', 'PIECES')).toBeUndefined();
    await iptables.restore(pieces(false));
    expect(await iptables.listChain('filter', 'PIECES')).toHaveLength(2000);
  }, 60_000);

  test('version() names the variant', async () => {
    expect(await iptables.version()).toMatch(variant === 'nft' ? /nf_tables/ : /legacy/);
  });
});

test('Iptables keeps the rules of the families apart', async () => {
  const six = new Iptables({ prefix, family: 'ipv6' });
  await six.apply([{ table: 'filter', chains: new Map([['SIX', ['-d fd00::1/128 -j DROP']]]) }]);
  expect(await six.listChain('filter', 'SIX')).toEqual(['-d fd00::1/128 -j DROP']);
  expect(await new Iptables({ prefix }).listChain('filter', 'SIX')).toBeUndefined();
});
