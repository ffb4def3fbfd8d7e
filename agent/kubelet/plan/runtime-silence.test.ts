import { expect, test } from '@jest/globals';
import { runtimeSilence } from './runtime-silence.ts';

test('runtimeSilence() tells after three minutes', () => {
  expect(runtimeSilence(180_000)).toEqual([]);
  expect(runtimeSilence(187_400)).toEqual([
    'PLEG is not healthy: pleg was last seen active 3m7s ago; threshold is 3m0s',
  ]);
});
