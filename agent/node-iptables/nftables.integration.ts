/** nft in a namespace that lives as long as this file. Needs root. */
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { applyNft, Nftables } from './nftables.ts';
import { canonicalElement } from './plan/nft-canonical.ts';
import { diffNft } from './plan/nft-diff.ts';
import type { NftWantedChain, NftWantedSet, NftWantedTable } from './plan/nft-diff.ts';
import { renderElement } from './plan/nft.ts';
import type { NftCommand } from './plan/nft.ts';
import { countNft } from './plan/count.ts';
import { statementsText } from './plan/nft-statement.ts';
import { addressOf, cidrOf, plainComment } from './testdata/arbitrary-rules.ts';
import { ownNamespace } from './testdata/namespace.ts';
import { NFT_RULES } from './testdata/nft-rules.ts';

const options = { prefix: ownNamespace('nft') };
const port = fc.integer({ min: 1, max: 65535 });

test.each(['ip', 'ip6', 'inet'] as const)(
  'every rule of %s that is listed can be written again and lists the same',
  async family => {
    const table = new Nftables(family, 'rules', options);
    const names = NFT_RULES[family].map((_, i) => `c${i}`);
    const chains = names.map((chain): NftCommand => ({ kind: 'addChain', chain }));
    const maps: NftCommand[] = [
      { kind: 'addSet', name: 'flows', type: 'ipv4_addr . ipv4_addr', flags: ['dynamic', 'timeout'], size: 1000 },
      { kind: 'addMap', name: 'services', type: 'ipv4_addr . inet_proto . inet_service : verdict' },
      {
        kind: 'addMap',
        name: 'endpoints',
        typeof: 'ip daddr . tcp dport . numgen random mod 1 : ip daddr . tcp dport',
      },
    ];
    await table.apply([
      { kind: 'addTable' },
      { kind: 'addChain', chain: 'other' },
      ...(family === 'ip' ? maps : []),
      ...chains,
      ...NFT_RULES[family].map((statement, i): NftCommand => ({
        kind: 'addRule',
        chain: `c${i}`,
        statement,
        comment: `rule ${i}`,
      })),
    ]);
    const first = await table.list();
    const again = names.flatMap((chain): NftCommand[] => {
      const rule = first?.chains.get(chain)?.rules[0];
      return [
        { kind: 'flushChain', chain },
        { kind: 'addRule', chain, statement: rule?.statements ?? '' },
      ];
    });
    await table.apply(again);
    const second = await table.list();
    for (const [i, chain] of names.entries()) {
      const [before] = first?.chains.get(chain)?.rules ?? [];
      const [after] = second?.chains.get(chain)?.rules ?? [];
      expect(before?.comment).toBe(`rule ${i}`);
      expect(before?.statements.length).toBeGreaterThan(0);
      expect(after?.statements).toEqual(before?.statements);
      expect(statementsText(after?.statements ?? [])).toBe(statementsText(before?.statements ?? []));
    }
  },
  60_000,
);

describe.each(['ipv4', 'ipv6'] as const)('elements of %s', family => {
  const nft = family === 'ipv4' ? 'ip' : 'ip6';
  const table = new Nftables(nft, 'held', options);
  const type = `${family}_addr`;

  test('come back from sets, interval sets and verdict maps as they were written', async () => {
    const key = fc
      .tuple(addressOf(family), fc.constantFrom('tcp', 'udp', 'sctp'), port)
      .map(parts => parts.join(' . '));
    const keys = fc.uniqueArray(key, { minLength: 1, maxLength: 300 });
    const nets = fc.uniqueArray(cidrOf(family), { minLength: 1, maxLength: 40 });
    await table.apply([
      { kind: 'removeTable' },
      { kind: 'addTable', comment: 'a table' },
      { kind: 'addChain', chain: 'c' },
      {
        kind: 'addSet',
        name: 'plain',
        type: `${type} . inet_proto . inet_service`,
        counter: true,
        comment: 'a set',
        size: 500,
      },
      { kind: 'addSet', name: 'nets', type, flags: ['interval'], autoMerge: true },
      { kind: 'addSet', name: 'aging', type, flags: ['timeout'], timeoutSeconds: 3600, gcIntervalSeconds: 60 },
      { kind: 'addMap', name: 'verdicts', type: `${type} . inet_proto . inet_service : verdict` },
    ]);
    await fc.assert(
      fc.asyncProperty(keys, nets, plainComment, addressOf(family), async (list, cidrs, comment, address) => {
        const verdicts = list.map((k, i) => ({ key: k, value: i % 2 === 0 ? 'goto c' : 'drop', comment }));
        await table.apply([
          ...(['plain', 'nets', 'aging'] as const).map(name => ({ kind: 'flushSet', name }) as const),
          { kind: 'flushMap', name: 'verdicts' },
          { kind: 'addElements', set: 'plain', elements: list },
          { kind: 'addElements', set: 'nets', elements: cidrs },
          { kind: 'addElements', set: 'aging', elements: [{ key: address, timeoutSeconds: 900 }] },
          { kind: 'addElements', set: 'verdicts', elements: verdicts },
        ]);
        const saved = await table.list();
        const plain = saved?.sets.get('plain');
        expect(plain?.elements.map(element => element.key).toSorted()).toEqual(list.toSorted());
        expect(plain?.elements.every(element => element.counters?.packets === 0)).toBe(true);
        expect(plain).toMatchObject({ counter: true, comment: 'a set', size: 500, flags: [] });
        expect(saved?.sets.get('nets')?.elements.length).toBeGreaterThan(0);
        expect(saved?.sets.get('aging')).toMatchObject({
          timeoutSeconds: 3600,
          gcIntervalSeconds: 60,
          elements: [{ key: canonicalElement(address), timeoutSeconds: 900, expiresSeconds: expect.any(Number) }],
        });
        const byKey = (a: { key: string }, b: { key: string }) => (a.key < b.key ? -1 : 1);
        expect(saved?.sets.get('verdicts')?.elements.toSorted(byKey)).toEqual(verdicts.toSorted(byKey));
        expect(await table.hasElements('verdicts', list)).toBe(true);
        expect(await table.hasElements('verdicts', [...list, `${address} . tcp . 0`])).toBe(false);
      }),
      { numRuns: 6 },
    );
    await table.apply([{ kind: 'deleteTable' }]);
    expect(await table.list()).toBeUndefined();
  }, 60_000);

  test('diffNft() leads from any state to any other, and finds nothing to do there', async () => {
    const chain = fc.array(
      fc
        .tuple(addressOf(family), fc.constantFrom('accept', 'drop', 'counter accept'))
        .map(([a, v]) => ({ statement: `${nft} daddr ${a} ${v}` })),
      { maxLength: 6 },
    );
    const verdicts = fc
      .uniqueArray(addressOf(family), { maxLength: 20 })
      .chain(keys =>
        fc
          .array(fc.constantFrom('accept', 'drop'), { minLength: keys.length, maxLength: keys.length })
          .map(values => keys.map((key, i) => ({ key, value: values[i] ?? 'drop' }))),
      );
    const wantedTable = fc.record({
      chains: fc.dictionary(fc.constantFrom('a', 'b', 'c'), chain),
      verdicts,
      extra: fc.boolean(),
      priority: fc.constantFrom<string | number>('filter', -5),
    });
    const state = () => table.list();
    await fc.assert(
      fc.asyncProperty(wantedTable, async ({ chains, verdicts: elements, extra, priority }) => {
        const wanted: NftWantedTable = {
          family: nft,
          chains: new Map<string, NftWantedChain>([
            [
              'base',
              {
                hook: { type: 'filter', hook: 'input', priority },
                rules: [
                  { statement: `${nft} daddr vmap @m` },
                  ...Object.keys(chains).map(name => ({ statement: `jump ${name}`, comment: 'to a chain' })),
                ],
              },
            ],
            ...Object.entries(chains).map(([name, rules]) => [name, { rules }] as const),
          ]),
          sets: new Map<string, NftWantedSet>([
            ['m', { kind: 'map', spec: { type: `${type} : verdict` }, elements }],
            ...(extra
              ? ([['s', { kind: 'set', spec: { type, flags: ['timeout'], timeoutSeconds: 60 } }]] as const)
              : []),
          ]),
        };
        await table.apply(diffNft(wanted, await state()));
        const found = await state();
        expect(diffNft(wanted, found)).toEqual([]);
        expect([...(found?.chains.keys() ?? [])].toSorted()).toEqual([...wanted.chains.keys()].toSorted());
        expect(found === undefined ? undefined : countNft(found).elements).toBe(elements.length);
      }),
      { numRuns: 25 },
    );
  }, 60_000);
});

test('diffNft() leaves the counters of rules that stay alone', async () => {
  const table = new Nftables('ip', 'kept', options);
  const wanted = (statements: readonly string[]): NftWantedTable => ({
    family: 'ip',
    chains: new Map([['c', { rules: statements.map(statement => ({ statement })) }]]),
    sets: new Map(),
  });
  await table.apply(diffNft(wanted(['counter drop', 'accept']), undefined));
  const [first] = (await table.listChain('c'))?.rules ?? [];
  await table.apply(diffNft(wanted(['counter drop', 'ip daddr 10.0.0.1 drop', 'accept']), await table.list()));
  const rules = (await table.listChain('c'))?.rules ?? [];
  expect(rules.map(rule => statementsText(rule.statements))).toEqual([
    'counter packets 0 bytes 0 drop',
    'ip daddr 10.0.0.1 drop',
    'accept',
  ]);
  expect(rules[0]?.handle).toBe(first?.handle);
});

test('removals are content with what is not there, deletions are not', async () => {
  const table = new Nftables('inet', 'gone', options);
  const set = { type: 'ipv4_addr', flags: ['timeout'], timeoutSeconds: 5 } as const;
  for (const isThere of [false, true]) {
    await table.apply([
      { kind: 'addTable' },
      ...(isThere
        ? ([
            { kind: 'addChain', chain: 'c', hook: { type: 'filter', hook: 'input', priority: 0 } },
            { kind: 'addRule', chain: 'c', statement: 'drop' },
            { kind: 'addSet', name: 's', ...set },
          ] as const)
        : []),
    ]);
    await table.apply([
      { kind: 'removeChain', chain: 'c' },
      { kind: 'removeSet', name: 's', ...set },
    ]);
    expect(await table.list()).toMatchObject({ chains: new Map(), sets: new Map() });
  }
  await expect(table.apply([{ kind: 'deleteChain', chain: 'c' }])).rejects.toMatchObject({
    failure: 'refused',
    lineNumber: 1,
  });
  expect(await table.wouldAccept([{ kind: 'addChain', chain: 'c' }])).toBe(true);
  expect(await table.chainNames()).toEqual(new Set());
  await table.apply([
    { kind: 'addMap', name: 'm', type: 'ipv4_addr : mark' },
    { kind: 'addElements', set: 'm', elements: ['10.0.0.1 : 5'] },
  ]);
  await table.apply([
    { kind: 'removeElements', set: 'm', elements: ['10.0.0.1 : 5', { key: '10.0.0.2', value: '6' }] },
  ]);
  expect((await table.listSet('map', 'm'))?.elements).toEqual([]);
  await table.apply([{ kind: 'removeTable' }, { kind: 'removeTable' }]);
  expect(await table.list()).toBeUndefined();
});

test('applyNft() changes several tables as one: all or nothing', async () => {
  const four = new Nftables('ip', 'both', options);
  const six = new Nftables('ip6', 'both', options);
  const change = (statement: string) =>
    applyNft(
      [
        { family: 'ip', table: 'both', commands: [{ kind: 'addTable' }, { kind: 'addChain', chain: 'c' }] },
        {
          family: 'ip6',
          table: 'both',
          commands: [
            { kind: 'addTable' },
            { kind: 'addChain', chain: 'c' },
            { kind: 'addRule', chain: 'c', statement },
          ],
        },
      ],
      options,
    );
  await expect(change('jump nowhere')).rejects.toMatchObject({
    failure: 'refused',
    inputLine: expect.stringContaining('nowhere'),
  });
  expect(await four.list()).toBeUndefined();
  await change('drop');
  expect(await four.list(true)).toBeDefined();
  expect((await six.listChain('c'))?.rules).toHaveLength(1);
});

test('the element that was refused is named among thousands', async () => {
  const table = new Nftables('ip', 'named', options);
  const elements = Array.from({ length: 5000 }, (_, i) =>
    renderElement({ key: `10.0.${i >> 8}.${i & 255}`, comment: `number ${i}` }),
  );
  const failed = table.apply([
    { kind: 'addTable' },
    { kind: 'addSet', name: 's', type: 'ipv4_addr' },
    { kind: 'addElements', set: 's', elements: [...elements, '10.0.0.300'] },
  ]);
  await expect(failed).rejects.toMatchObject({ failure: 'refused', lineNumber: 3 });
  const error = await failed.catch((cause: Error) => cause.message);
  expect(error?.length).toBeLessThan(2000);
});
