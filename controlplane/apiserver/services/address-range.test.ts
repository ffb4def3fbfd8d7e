import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { AddressRange } from './address-range.ts';
import { PortRange } from './port-range.ts';

test('AddressRange gives each address once, and all of them', () => {
  const range = new AddressRange('10.0.0.0/28');
  const given = Array.from({ length: 14 }, () => range.allocate());
  expect(new Set(given).size).toBe(14);
  expect(range.allocate()).toBeUndefined();
  range.release('10.0.0.7');
  expect(range.allocate()).toBe('10.0.0.7');
});

test.each([
  ['10.96.0.0/16', '10.96.0.1', '10.96.255.255', 'outside'],
  ['10.96.0.0/16', '10.96.0.1', '10.96.0.1', 'taken'],
  ['fd00::/108', 'fd00::1', 'fd00::2', 'ok'],
  ['10.96.0.0/16', '10.96.0.1', 'fd00::1', 'outside'],
])('AddressRange %s begins at %s and says of %s: %s', (cidr, first, asked, outcome) => {
  const range = new AddressRange(cidr);
  expect(range.first).toBe(first);
  range.reserve(first);
  expect(range.reserve(asked)).toBe(outcome);
});

test('AddressRange never gives what is taken, whatever happened before', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.constant('take'), fc.nat(13))), steps => {
      const range = new AddressRange('10.0.0.0/28');
      const held: string[] = [];
      for (const step of steps) {
        if (typeof step === 'number') for (const freed of held.splice(step, 1)) range.release(freed);
        else {
          const address = range.allocate();
          if (address === undefined) expect(held).toHaveLength(14);
          else expect(held).not.toContain(address);
          if (address !== undefined) held.push(address);
        }
      }
      expect(range.takenCount).toBe(held.length);
    }),
  );
});

test('PortRange refuses what is taken or outside', () => {
  const ports = new PortRange('30000-30001');
  expect([ports.reserve(30000), ports.reserve(30000), ports.reserve(80), ports.allocate(), ports.allocate()]).toEqual([
    'ok',
    'taken',
    'outside',
    30001,
    undefined,
  ]);
});
