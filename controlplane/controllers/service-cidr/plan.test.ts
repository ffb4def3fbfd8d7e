import { expect, test } from '@jest/globals';
import type { ServiceCIDR } from '../../../proto/api/networking-v1.ts';
import { isCovered, orphanOf } from './plan.ts';

const range = (name: string, cidrs: string[], isGoing = false): ServiceCIDR => ({
  metadata: { name, ...(isGoing ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}) },
  spec: { cidrs },
});
const going = range('going', ['10.0.0.0/24', 'fd00::/112'], true);

test.each([
  { name: 'nobody else', others: [], want: false },
  { name: 'a larger one of each family', others: [range('a', ['10.0.0.0/16']), range('b', ['fd00::/64'])], want: true },
  { name: 'the same ones', others: [range('a', ['10.0.0.0/24', 'fd00::/112'])], want: true },
  { name: 'one family', others: [range('a', ['10.0.0.0/16'])], want: false },
  { name: 'a part', others: [range('a', ['10.0.0.0/25', 'fd00::/112'])], want: false },
  { name: 'one that goes as well', others: [range('a', ['10.0.0.0/16', 'fd00::/64'], true)], want: false },
])('isCovered() by $name: $want', ({ others, want }) => {
  expect(isCovered(going, [going, ...others])).toBe(want);
});

test.each([
  { addresses: [], others: [], want: undefined },
  { addresses: ['10.0.1.1', 'fd00::1:0:0'], others: [], want: undefined },
  { addresses: ['10.0.1.1', '10.0.0.9'], others: [], want: '10.0.0.9' },
  { addresses: ['fd00::9'], others: [range('a', ['10.0.0.0/16'])], want: 'fd00::9' },
  { addresses: ['10.0.0.9'], others: [range('a', ['10.0.0.8/29'])], want: undefined },
  { addresses: ['10.0.0.9'], others: [range('a', ['10.0.0.8/29'], true)], want: '10.0.0.9' },
])('orphanOf($addresses) is $want', ({ addresses, others, want }) => {
  expect(orphanOf(going, [going, ...others], addresses)).toBe(want);
});
