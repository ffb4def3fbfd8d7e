import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { AddressRange, canonicalAddress } from './address-range.ts';
import { PortBitmap, PortRange } from './port-range.ts';

test('AddressRange tries every address once, the upper band first', () => {
  const range = new AddressRange('10.0.0.0/26');
  const all = [...range.candidates()];
  expect(new Set(all).size).toBe(62);
  expect(all.every(address => range.contains(address))).toBe(true);
  const lastBytes = all.map(address => Number(address.split('.')[3]));
  expect(Math.min(...lastBytes.slice(0, 46))).toBe(17);
  expect(Math.max(...lastBytes.slice(46))).toBe(16);
});

test.each([
  ['10.96.0.0/16', '10.96.0.1', '10.96.255.255', false],
  ['10.96.0.0/16', '10.96.0.1', '10.96.0.0', false],
  ['10.96.0.0/16', '10.96.0.1', '10.96.255.254', true],
  ['fd00::/108', 'fd00::1', 'fd00::f:ffff', true],
  ['fd00::/64', 'fd00::1', 'fd01::2', false],
  ['10.96.0.0/16', '10.96.0.1', 'fd00::1', false],
  ['10.0.0.0/29', '10.0.0.1', '10.0.0.6', true],
])('AddressRange %s begins at %s and contains %s: %s', (cidr, first, asked, contained) => {
  const range = new AddressRange(cidr);
  expect(range.first).toBe(first);
  expect(range.contains(asked)).toBe(contained);
});

test('canonicalAddress() writes an address in one way', () => {
  expect(canonicalAddress('FD00:0:0::0001')).toBe('fd00::1');
  expect(canonicalAddress('10.0.0.1')).toBe('10.0.0.1');
});

test('PortRange tries every port once, the upper band first', () => {
  const ports = [...new PortRange('30000-32767').candidates()];
  expect(new Set(ports).size).toBe(2768);
  expect(Math.min(...ports.slice(0, 2768 - 86))).toBe(30086);
  expect([...new PortRange('30000-30003').candidates()].sort()).toEqual([30000, 30001, 30002, 30003]);
});

test('PortBitmap comes back from its text as it was, in upstream’s order of bytes', () => {
  const range = new PortRange('30000-30099');
  const ports = fc.uniqueArray(fc.integer({ min: 30000, max: 30099 }));
  fc.assert(
    fc.property(ports, taken => {
      const bitmap = new PortBitmap(range, taken);
      expect(PortBitmap.decode(range, bitmap.encode()).ports()).toEqual([...taken].sort());
    }),
  );
  // Bit 0 is the first port and stands in the last byte (Go's big.Int.Bytes()).
  expect(Buffer.from(new PortBitmap(range, [30000, 30008]).encode(), 'base64')).toEqual(Buffer.from([1, 1]));
});
