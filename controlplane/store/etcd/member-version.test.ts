import { expect, test } from '@jest/globals';
import { answersProgressInOrder, isSupported } from './member-version.ts';

test.each([
  ['3.3.27', false, false],
  ['3.4.23', true, false],
  ['3.4.24', true, false],
  ['3.4.25', true, true],
  ['3.5.7', true, false],
  ['3.5.8', true, true],
  ['3.5.16', true, true],
  ['3.6.0-rc.1', true, true],
  ['4.0.0', true, true],
  ['', false, false],
])('version %s: supported %s, progress in order %s', (version, supported, inOrder) => {
  expect(isSupported(version)).toBe(supported);
  expect(answersProgressInOrder(version)).toBe(inOrder);
});
