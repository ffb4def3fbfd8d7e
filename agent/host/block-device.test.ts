import { expect, test } from '@jest/globals';
import { mountArguments } from './block-device.ts';

test.each([
  { options: [], readOnly: false, want: ['mount', '-t', 'nfs', 's:/x', '/t'] },
  { options: ['vers=4.2', 'hard'], readOnly: false, want: ['mount', '-t', 'nfs', '-o', 'vers=4.2,hard', 's:/x', '/t'] },
  { options: ['ro', 'soft'], readOnly: true, want: ['mount', '-t', 'nfs', '-o', 'ro,soft', 's:/x', '/t'] },
])('mountArguments() with $options, read-only $readOnly', ({ options, readOnly, want }) => {
  expect(mountArguments('s:/x', '/t', { fsType: 'nfs', readOnly, options })).toEqual(want);
});
