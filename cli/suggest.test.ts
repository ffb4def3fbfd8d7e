import { expect, test } from '@jest/globals';
import { suggest } from './suggest.ts';

const commands = ['up', 'down', 'status', 'logs', 'version'];
const flags = ['node-name', 'node-ip', 'data-dir', 'help'];

test.each([
  { argv: ['stats'], want: 'Did you mean: k8ts status' },
  { argv: ['up', '--nodename', 'a'], want: 'Did you mean: --node-name' },
  { argv: ['up', '--node-nmae=a'], want: 'Did you mean: --node-name' },
  { argv: ['up', '--node-name', 'a'], want: '' },
  { argv: ['frobnicate'], want: '' },
  { argv: ['up', '--', 'x'], want: '' },
  { argv: [], want: '' },
])('suggest() answers $argv with "$want"', ({ argv, want }) => {
  expect(suggest(argv, commands, flags)).toBe(want);
});
