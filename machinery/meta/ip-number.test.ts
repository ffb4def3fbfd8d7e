import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { canonicalAddress, doOverlap, ipNumber, ipText, isWithin, networkText, parseNetwork } from './ip-number.ts';

test.each([
  { address: '0.0.0.0', number: 0n },
  { address: '10.96.0.10', number: 174_063_626n },
  { address: '::', number: 0n },
  { address: 'fd00::a', number: 0xfdn * 2n ** 120n + 10n },
  { address: '::ffff:102:304', number: 0xffff_0102_0304n },
])('ipNumber($address), and ipText() back', ({ address, number }) => {
  expect(ipNumber(address)).toBe(number);
  expect(ipText(number, address.includes(':') ? 'IPv6' : 'IPv4')).toBe(address);
});

test('every number has one text, and comes back', () => {
  fc.assert(fc.property(fc.bigInt(0n, 2n ** 32n - 1n), n => ipNumber(ipText(n, 'IPv4')) === n));
  fc.assert(fc.property(fc.bigInt(0n, 2n ** 128n - 1n), n => ipNumber(ipText(n, 'IPv6')) === n));
});

test.each([
  { cidr: '10.96.7.9/16', want: '10.96.0.0/16' },
  { cidr: '10.96.7.9/32', want: '10.96.7.9/32' },
  { cidr: '10.96.7.9/0', want: '0.0.0.0/0' },
  { cidr: 'FD00:0:0:1::5/48', want: 'fd00::/48' },
])('a network is named by its first address: $cidr', ({ cidr, want }) => {
  expect(networkText(parseNetwork(cidr))).toBe(want);
});

test.each([
  { address: '10.96.255.255', cidr: '10.96.0.0/16', want: true },
  { address: '10.97.0.0', cidr: '10.96.0.0/16', want: false },
  { address: 'fd00::1', cidr: '0.0.0.0/0', want: false },
  { address: '10.0.0.1', cidr: '::/0', want: false },
  { address: 'fd00:0:0:1::', cidr: 'fd00::/64', want: false },
])('isWithin($address, $cidr) is $want', ({ address, cidr, want }) => {
  expect(isWithin(address, parseNetwork(cidr))).toBe(want);
});

test.each([
  { a: '10.0.0.0/8', b: '10.96.0.0/16', want: true },
  { a: '10.96.0.0/16', b: '10.97.0.0/16', want: false },
  { a: '0.0.0.0/0', b: '::/0', want: false },
  { a: 'fd00::/48', b: 'fd00:0:0:ffff::/64', want: true },
])('doOverlap($a, $b) is $want', ({ a, b, want }) => {
  expect([doOverlap(parseNetwork(a), parseNetwork(b)), doOverlap(parseNetwork(b), parseNetwork(a))]).toEqual([
    want,
    want,
  ]);
});

test.each([
  ['10.0.0.1', '10.0.0.1'],
  ['010.0.0.1', undefined],
  ['10.0.0.256', undefined],
  ['', undefined],
  [':', undefined],
  ['::', '::'],
  ['::1', '::1'],
  ['FD00:0:0::00Ab', 'fd00::ab'],
  ['fd00:0:0:1:0:0:0:1', 'fd00:0:0:1::1'],
  ['1:0:2:0:3:0:4:0', '1:0:2:0:3:0:4:0'],
  ['1:0:0:2:0:0:3:4', '1::2:0:0:3:4'],
  ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
  ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
  ['::ffff:1.2.3.4', '::ffff:102:304'],
  ['1.2.3.4::', undefined],
  ['1:2:3:4:5:6:7:8:9', undefined],
  ['1::2::3', undefined],
  [':::', undefined],
  ['fe80::1%eth0', undefined],
  ['12345::', undefined],
])('canonicalAddress(%s) is %s', (text, want) => {
  expect(canonicalAddress(text)).toBe(want);
});
