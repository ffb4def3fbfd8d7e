import { expect, test } from '@jest/globals';
import { waitForSign } from './silence.ts';

test.each([
  { name: 'spoke just now', silentMs: 0, want: 50_000 },
  { name: 'not long enough', silentMs: 49_999, want: 1 },
  { name: 'gone', silentMs: 50_000, want: 0 },
  { name: 'gone, looked at a little late', silentMs: 50_999, want: 0 },
  { name: 'nobody looked for about as long as it may be silent', silentMs: 51_000, want: 12_000 },
  { name: 'nobody looked for a minute', silentMs: 110_000, want: 12_000 },
])('waitForSign() $name', ({ silentMs, want }) => {
  expect(waitForSign(silentMs, 50_000)).toBe(want);
});
