import { expect, test } from '@jest/globals';
import { podAddresses } from './pod-addresses.ts';

test.each([
  { primary: 'IPv4', told: ['10.0.0.1'], want: ['10.0.0.1'] },
  { primary: 'IPv4', told: ['fd00::1', '10.0.0.1'], want: ['10.0.0.1', 'fd00::1'] },
  { primary: 'IPv6', told: ['10.0.0.1', 'fd00::1'], want: ['fd00::1', '10.0.0.1'] },
  { primary: 'IPv6', told: ['10.0.0.1'], want: ['10.0.0.1'] },
  { primary: 'IPv4', told: ['10.0.0.1', '10.0.0.2', 'fd00::1', 'fd00::2'], want: ['10.0.0.1', 'fd00::1'] },
  { primary: 'IPv4', told: ['', 'x'], want: [] },
] as const)('podAddresses($told) on a node that is $primary first', ({ primary, told, want }) => {
  expect(podAddresses(told, primary)).toEqual(want);
});
