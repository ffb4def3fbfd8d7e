import { expect, test } from '@jest/globals';
import { portsClash } from './host-ports.ts';

test.each([
  { a: '0.0.0.0', b: '10.0.0.1', want: true },
  { a: '0.0.0.0', b: 'fd00::1', want: true },
  { a: '::', b: 'fd00::1', want: true },
  { a: '::', b: '10.0.0.1', want: false },
  { a: '::', b: '0.0.0.0', want: true },
  { a: '10.0.0.1', b: '10.0.0.2', want: false },
  { a: 'fd00::1', b: 'fd00::1', want: true },
])('portsClash() of one port on $a and on $b is $want', ({ a, b, want }) => {
  const at = (ip: string) => ({ ip, protocol: 'TCP', port: 80 });
  expect([portsClash(at(a), at(b)), portsClash(at(b), at(a))]).toEqual([want, want]);
  expect(portsClash(at(a), { ...at(b), protocol: 'UDP' })).toBe(false);
});
