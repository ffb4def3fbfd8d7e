/** Against the real commands, in a network namespace that lives as long as this file. Needs root. */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { Conntrack } from './conntrack.ts';
import { CommandError } from './command-error.ts';
import { Ipset } from './ipset.ts';
import { Iptables } from './iptables.ts';
import { Nftables } from './nftables.ts';
import { parseRule } from './plan/parse-rule.ts';
import { comment, canonicalRule } from './testdata/arbitrary-rules.ts';

const NAMESPACE = `nodeiptables-${process.pid}`;
const options = { prefix: ['nsenter', `--net=/run/netns/${NAMESPACE}`] };

beforeAll(() => {
  execFileSync('ip', ['netns', 'add', NAMESPACE]);
});
afterAll(() => {
  execFileSync('ip', ['netns', 'del', NAMESPACE]);
});

describe.each(['nft', 'legacy'] as const)('Iptables with the %s variant', variant => {
  const iptables = new Iptables({ ...options, variant });

  test('apply() and save() give back every rule as it was written', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(canonicalRule, { minLength: 1, maxLength: 40 }), async rules => {
        await iptables.apply([{ table: 'filter', chains: new Map([['T', rules]]) }]);
        const saved = (await iptables.save('filter')).get('filter')?.get('T')?.rules ?? [];
        expect(saved.map(rule => parseRule(rule.text))).toEqual(rules);
      }),
      { numRuns: 15 },
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
      { numRuns: 8 },
    );
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
    await expect(failed).rejects.toMatchObject({ name: 'CommandError', failure: 'refused' });
    expect(await iptables.listChain('nat', 'KEEP')).toEqual(['-j RETURN']);
    expect(await iptables.listChain('nat', 'NEW')).toBeUndefined();
  });

  test('listChains() lists chains of two tables by one process, or nothing if one is missing', async () => {
    const rules = ['-p tcp -j RETURN', '-p udp -j RETURN'];
    await iptables.apply([
      {
        table: 'nat',
        chains: new Map([
          ['ONE', rules],
          ['EMPTY', []],
        ]),
      },
    ]);
    await iptables.apply([{ table: 'filter', chains: new Map([['ONE', ['-j RETURN']]]) }]);
    const inNat = ['ONE', 'PREROUTING', 'EMPTY'].map(chain => ({ table: 'nat', chain }) as const);
    const inFilter = { table: 'filter', chain: 'ONE' } as const;
    expect(await iptables.listChains([...inNat, inFilter])).toEqual([rules, [], [], ['-j RETURN']]);
    expect(await iptables.listChains([inFilter, { table: 'nat', chain: 'NONE' }])).toBeUndefined();
  });

  test('apply() inserts, removes and deletes without touching other rules', async () => {
    await iptables.apply([
      {
        table: 'nat',
        chains: new Map([['MINE', []]]),
        append: [{ chain: 'OUTPUT', rule: '-d 192.0.2.1/32 -j RETURN' }],
      },
    ]);
    await iptables.apply([
      { table: 'nat', insert: [{ chain: 'OUTPUT', rule: { target: { kind: 'jump', chain: 'MINE' } } }] },
    ]);
    expect(await iptables.hasRule('nat', 'OUTPUT', '-j MINE')).toBe(true);
    expect(await iptables.listChain('nat', 'OUTPUT')).toEqual(['-j MINE', '-d 192.0.2.1/32 -j RETURN']);
    await iptables.apply([{ table: 'nat', remove: [{ chain: 'OUTPUT', rule: '-j MINE' }], deleteChains: ['MINE'] }]);
    expect(await iptables.listChain('nat', 'OUTPUT')).toEqual(['-d 192.0.2.1/32 -j RETURN']);
    expect(await iptables.listChain('nat', 'MINE')).toBeUndefined();
  });

  test('version() names the variant', async () => {
    expect(await iptables.version()).toMatch(variant === 'nft' ? /nf_tables/ : /legacy/);
  });
});

test('a lock held by someone else is an error of its own', async () => {
  const legacy = new Iptables({ ...options, variant: 'legacy', waitSeconds: 1 });
  const lockFile = `/tmp/nodeiptables-${process.pid}.lock`;
  const locked = new Iptables({
    ...options,
    variant: 'legacy',
    waitSeconds: 1,
    prefix: ['env', `XTABLES_LOCKFILE=${lockFile}`, ...options.prefix],
  });
  const holder = execFileSync('sh', ['-c', `flock -x ${lockFile} sleep 4 >/dev/null 2>&1 & echo $!`]).toString();
  await new Promise(resolve => setTimeout(resolve, 300));
  await expect(locked.apply([{ table: 'nat', chains: new Map([['L', []]]) }])).rejects.toMatchObject({
    failure: 'locked',
  });
  await legacy.apply([{ table: 'nat', chains: new Map([['L', []]]) }]);
  expect(holder).not.toBe('');
}, 20_000);

test('a missing program is named', async () => {
  const iptables = new Iptables({ prefix: ['env', 'PATH=/nowhere'] });
  const error = await iptables.version().catch((cause: unknown) => cause);
  expect(error).toBeInstanceOf(CommandError);
  expect((error as CommandError).failure).toBe('missing');
});

test('Iptables with IPv6 keeps rules apart from IPv4', async () => {
  const six = new Iptables({ ...options, family: 'ipv6' });
  await six.apply([{ table: 'filter', chains: new Map([['SIX', ['-d fd00::1/128 -j DROP']]]) }]);
  expect(await six.listChain('filter', 'SIX')).toEqual(['-d fd00::1/128 -j DROP']);
  expect(await new Iptables(options).listChain('filter', 'SIX')).toBeUndefined();
});

test('Nftables applies one transaction', async () => {
  const table = new Nftables('ip', 'probe', options);
  await table.apply([
    { kind: 'addTable' },
    { kind: 'addChain', chain: 'pre', hook: { type: 'nat', hook: 'prerouting', priority: 'dstnat' } },
    { kind: 'addMap', name: 'm', type: 'ipv4_addr : verdict' },
    { kind: 'addElements', set: 'm', elements: ['10.0.0.1 : drop'] },
    { kind: 'addRule', chain: 'pre', statement: 'ip daddr vmap @m' },
  ]);
  expect((await table.listSet('map', 'm'))?.elements).toEqual([{ key: '10.0.0.1', value: 'drop' }]);
  expect(await table.hasElements('m', ['10.0.0.1'])).toBe(true);
  expect(await table.hasElements('m', ['10.0.0.2'])).toBe(false);
  expect((await table.listChain('pre'))?.rules).toHaveLength(1);
  expect(await table.listChain('nope')).toBeUndefined();
  await table.apply([{ kind: 'deleteTable' }]);
  expect(await table.list()).toBeUndefined();
});

test('Ipset and Conntrack do their work', async () => {
  const ipset = new Ipset(options);
  await ipset.apply([
    { kind: 'create', set: 's', type: 'hash:ip' },
    { kind: 'add', set: 's', entry: '10.0.0.1' },
  ]);
  expect(await ipset.entries('s')).toEqual(['10.0.0.1']);
  await ipset.apply([{ kind: 'destroy', set: 's' }]);
  expect(await ipset.entries('s')).toBeUndefined();
  await new Conntrack(options).deleteFlows({ protocol: 'udp', originalDestination: '10.96.0.1', originalPort: 53 });
});
