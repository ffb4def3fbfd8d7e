import { expect, test } from '@jest/globals';
import { nodeAddress } from './node-address.ts';

test('an address of this machine is taken as it is', () => {
  expect(nodeAddress('127.0.0.1')).toBe('127.0.0.1');
});

test('an address that no interface has is refused by name, with those that there are', () => {
  // TEST-NET-3 belongs to nobody.
  expect(() => nodeAddress('203.0.113.9')).toThrow(/--node-ip 203\.0\.113\.9 .*it has .*127\.0\.0\.1/);
});
