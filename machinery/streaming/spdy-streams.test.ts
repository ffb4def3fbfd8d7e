import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { SpdyStreams } from './spdy-streams.ts';

const SYN_STREAM = 1;
const RST_STREAM = 3;
const FIN = 1;
const MANY = 4_096;

const u32 = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => bytes.writeUInt32BE(value >>> 0, 4 * i));
  return bytes;
};
const data = (id: number, flags: number, payload = Buffer.alloc(0)): Buffer =>
  Buffer.concat([u32(id, flags * 0x1000000 + payload.length), payload]);
const control = (type: number, flags: number, payload: Buffer): Buffer =>
  Buffer.concat([u32(0x80030000 + type, flags * 0x1000000 + payload.length), payload]);

/** Opens streams one after the other; `end` is what becomes of each. */
function openMany(end: (streams: SpdyStreams, id: number) => void): void {
  const streams = new SpdyStreams('ports');
  for (let id = 1; id < 4 * MANY; id += 2) {
    streams.controlSent(SYN_STREAM, 0, u32(id, 0));
    end(streams, id);
  }
}

test.each<[string, (streams: SpdyStreams, id: number) => void]>([
  ['nobody ends', () => undefined],
  ['the client alone ends', (streams, id) => streams.clientEnded(id)],
  ['the server alone ends', (streams, id) => streams.heard(data(id, FIN))],
  ['the client ends twice', (streams, id) => [0, 1].forEach(() => streams.clientEnded(id))],
])('streams that %s are too many at last', (_what, end) => {
  expect(() => openMany(end)).toThrow('more than 4096 streams');
});

test.each<[string, (streams: SpdyStreams, id: number) => void]>([
  ['the client resets', (streams, id) => streams.controlSent(RST_STREAM, 0, u32(id, 5))],
  ['the server resets', (streams, id) => streams.heard(control(RST_STREAM, 0, u32(id, 5)))],
  [
    'both end',
    (streams, id) => {
      streams.clientEnded(id);
      streams.heard(data(id, FIN, Buffer.from('bye')));
    },
  ],
  [
    'end as they begin',
    (streams, id) => {
      streams.heard(control(2, FIN, u32(id)));
      streams.controlSent(SYN_STREAM, 0, u32(id, 0));
      streams.heard(control(2, FIN, u32(id)));
      streams.clientEnded(id);
    },
  ],
])('streams that %s are over', (_what, end) => {
  expect(() => openMany(end)).not.toThrow();
});

test('the server is heard however its bytes are cut', () => {
  const bytes = Buffer.concat([
    control(2, 0, u32(1, 0)),
    data(1, 0, Buffer.alloc(50, 0xff)),
    data(1, FIN),
    control(6, 0, u32(2)),
    data(3, FIN, Buffer.from('x')),
    control(RST_STREAM, 0, u32(5, 1)),
  ]);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: bytes.length }), size => {
      const streams = new SpdyStreams('ports');
      for (const id of [1, 3, 5]) streams.controlSent(SYN_STREAM, 0, u32(id, 0));
      for (const id of [1, 3]) streams.clientEnded(id);
      for (let at = 0; at < bytes.length; at += size) streams.heard(bytes.subarray(at, at + size));
      // Whatever is still counted leaves less room.
      for (let i = 0; i < MANY; i++) streams.controlSent(SYN_STREAM, 0, u32(2 * i + 101, 0));
    }),
    { numRuns: 25 },
  );
});
