import { expect, test } from '@jest/globals';
import { webSocketFrame } from './websocket-frames.ts';

test.each([
  [125, '827d'],
  [126, '827e007e'],
  [65_535, '827effff'],
  [65_536, '827f0000000000010000'],
])('webSocketFrame() of %i bytes begins with %s', (length, head) => {
  const frame = webSocketFrame('binary', Buffer.alloc(length));
  expect(frame.subarray(0, head.length / 2).toString('hex')).toBe(head);
  expect(frame).toHaveLength(head.length / 2 + length);
});
