import { SocketAddress } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { canonicalAddress, canonicalCidr, cidrContains } from './address.ts';

describe('canonicalAddress()', () => {
  test('spells addresses as the system does', () => {
    const group = fc.oneof(fc.constant(0), fc.constant(0xffff), fc.integer({ min: 0, max: 0xffff }));
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), fc.boolean(), (groups, upper) => {
        const plain = groups.map(g => g.toString(16)).join(':');
        const text = upper ? plain.toUpperCase() : plain;
        expect(canonicalAddress(text)).toBe(new SocketAddress({ address: text, family: 'ipv6' }).address);
      }),
    );
    fc.assert(fc.property(fc.ipV6(), a => expect(canonicalAddress(canonicalAddress(a))).toBe(canonicalAddress(a))));
    fc.assert(fc.property(fc.ipV4(), a => expect(canonicalAddress(a)).toBe(a)));
  });

  test.each([
    '',
    '1.2.3',
    '1.2.3.256',
    '01.2.3.4',
    '1::2::3',
    '1:2:3:4:5:6:7:8:9',
    'g::',
    ':::',
    '1:2:3:4:5:6:7::8',
    '::1.2.3',
    'fe80::1%eth0',
  ])('refuses %j', text => {
    expect(() => canonicalAddress(text)).toThrow(RangeError);
  });
});

test.each([
  ['10.0.0.7/8', '10.0.0.0/8'],
  ['10.0.0.7', '10.0.0.7/32'],
  ['10.0.0.0/255.128.0.0', '10.0.0.0/9'],
  ['1.2.3.4/0', '0.0.0.0/0'],
  ['FD00:0::1/64', 'fd00::/64'],
  ['fd00::1', 'fd00::1/128'],
  ['fd00::ffff/127', 'fd00::fffe/127'],
  ['fd00::1/ffff::', 'fd00::/16'],
])('canonicalCidr(%s) is %s', (text, want) => {
  expect(canonicalCidr(text)).toBe(want);
});

test('canonicalCidr() refuses what is no prefix', () => {
  for (const text of [
    '10.0.0.0/33',
    'fd00::/129',
    '10.0.0.0/255.0.255.0',
    '10.0.0.0/',
    '10.0.0.0/x',
    '/8',
    '10.0.0.0/ffff::',
  ])
    expect(() => canonicalCidr(text)).toThrow(RangeError);
});

test('cidrContains() keeps families apart', () => {
  expect(cidrContains('10.0.0.0/8', '10.255.0.1')).toBe(true);
  expect(cidrContains('10.0.0.0/8', '11.0.0.1')).toBe(false);
  expect(cidrContains('0.0.0.0/0', '::1')).toBe(false);
  expect(cidrContains('fd00::/16', 'fd00:1::')).toBe(true);
});
