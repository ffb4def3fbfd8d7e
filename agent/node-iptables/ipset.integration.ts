/** ipset and conntrack in a namespace that lives as long as this file. Needs root. */
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { Conntrack } from './conntrack.ts';
import { Ipset } from './ipset.ts';
import type { Family } from './plan/rule.ts';
import { canonicalEntry, diffIpset } from './plan/ipset-diff.ts';
import type { IpsetSpec } from './plan/ipset.ts';
import { addressOf, cidrOf, plainComment } from './testdata/arbitrary-rules.ts';
import { ownNamespace } from './testdata/namespace.ts';

const options = { prefix: ownNamespace('ipset') };
const ipset = new Ipset(options);
const port = fc
  .tuple(fc.constantFrom('tcp', 'udp', 'sctp'), fc.integer({ min: 1, max: 65535 }))
  .map(([p, n]) => `${p}:${n}`);

const kinds = (['ipv4', 'ipv6'] as const).flatMap(family => [
  { family, type: 'hash:ip' as const, entry: addressOf(family) },
  { family, type: 'hash:net' as const, entry: cidrOf(family) },
  { family, type: 'hash:ip,port' as const, entry: fc.tuple(addressOf(family), port).map(parts => parts.join(',')) },
  { family, type: 'hash:net,port' as const, entry: fc.tuple(cidrOf(family), port).map(parts => parts.join(',')) },
]);

describe.each(kinds)('$type of $family', ({ family, type, entry }) => {
  const spec: IpsetSpec = { set: 's', type, family, comments: true, counters: true, maxElements: 1000 };
  const entries = fc.uniqueArray(fc.record({ entry, comment: plainComment }, { requiredKeys: ['entry'] }), {
    maxLength: 100,
    selector: e => canonicalEntry(spec, e.entry),
  });

  test('diffIpset() leads from any content to any other, and what is saved is what was written', async () => {
    await fc.assert(
      fc.asyncProperty(entries, async list => {
        const wanted = { spec, entries: list };
        await ipset.apply(diffIpset(wanted, await ipset.saveSet('s')), true);
        const found = await ipset.saveSet('s');
        expect(diffIpset(wanted, found)).toEqual([]);
        const plain = found?.entries.map(({ entry: e, comment }) =>
          comment === undefined ? { entry: e } : { entry: e, comment },
        );
        const byEntry = (a: { entry: string }, b: { entry: string }) => (a.entry < b.entry ? -1 : 1);
        expect(plain?.toSorted(byEntry)).toEqual(
          list.map(e => ({ ...e, entry: canonicalEntry(spec, e.entry) })).toSorted(byEntry),
        );
        expect(found?.entries.every(e => e.counters?.packets === 0)).toBe(true);
      }),
      { numRuns: 6 },
    );
    await ipset.apply([{ kind: 'destroy', set: 's' }]);
  }, 60_000);
});

test('a set with another declaration is exchanged in one step', async () => {
  const entries = [{ entry: '10.0.0.1' }];
  const spec = (maxElements: number, family: Family = 'ipv4'): IpsetSpec => ({
    set: 'x',
    type: 'hash:ip',
    maxElements,
    family,
  });
  await ipset.apply(diffIpset({ spec: spec(10), entries }, undefined));
  const swap = diffIpset({ spec: spec(20), entries }, await ipset.saveSet('x'));
  expect(swap.map(command => command.kind)).toEqual(['create', 'add', 'swap', 'destroy']);
  await ipset.apply(swap);
  expect(await ipset.saveSet('x')).toMatchObject({ maxElements: 20, entries });
  await ipset.apply(diffIpset({ spec: spec(20, 'ipv6'), entries: [{ entry: 'FD00:0::1' }] }, await ipset.saveSet('x')));
  expect(await ipset.saveSet('x')).toMatchObject({ family: 'ipv6', entries: [{ entry: 'fd00::1' }] });
  expect(await ipset.names()).toEqual(['x']);
  await ipset.apply([
    { kind: 'rename', set: 'x', other: 'y' },
    { kind: 'flush', set: 'y' },
    { kind: 'destroy', set: 'y' },
  ]);
  expect(await ipset.entries('x')).toBeUndefined();
  expect((await ipset.save()).size).toBe(0);
});

test('what stands before a refused line may stay, and the error says so', async () => {
  const failed = ipset.apply([
    { kind: 'create', set: 'half', type: 'hash:ip' },
    { kind: 'add', set: 'half', entry: '10.0.0.1' },
    { kind: 'add', set: 'half', entry: 'no-address' },
    { kind: 'add', set: 'half', entry: '10.0.0.2' },
  ]);
  await expect(failed).rejects.toMatchObject({
    failure: 'refused',
    lineNumber: 3,
    message: expect.stringContaining('lines before it may have been carried out'),
  });
  // The command sends entries by the hundred, and those of a hundred with a refused one not at all.
  expect(await ipset.entries('half')).toEqual([]);
  await ipset.apply([{ kind: 'destroy', set: 'half' }]);
});

test('sets with ages tell what is left of them', async () => {
  await ipset.apply([
    { kind: 'create', set: 'aging', type: 'hash:net', timeoutSeconds: 600, hashSize: 64 },
    { kind: 'add', set: 'aging', entry: '10.0.0.0/8', timeoutSeconds: 300 },
    { kind: 'add', set: 'aging', entry: '10.1.0.0/16', noMatch: true },
  ]);
  const saved = await ipset.saveSet('aging');
  expect(saved).toMatchObject({ timeoutSeconds: 600, hashSize: 64 });
  expect(saved?.entries.map(entry => [entry.entry, entry.noMatch ?? false, (entry.timeoutSeconds ?? 0) > 200])).toEqual(
    [
      ['10.0.0.0/8', false, true],
      ['10.1.0.0/16', true, true],
    ],
  );
  await ipset.apply([{ kind: 'destroy', set: 'aging' }]);
});

test('Conntrack deletes what is not there without a word, and lists nothing where nothing is', async () => {
  const conntrack = new Conntrack(options);
  await conntrack.deleteFlows({ protocol: 'udp', originalDestination: '10.96.0.1', originalPort: 53 });
  await conntrack.deleteFlows({ protocol: 'udp', natDestination: 'fd00::1' });
  expect(await conntrack.listFlows('udp')).toEqual([]);
  expect(await conntrack.listFlows('udp', 'ipv6')).toEqual([]);
});
