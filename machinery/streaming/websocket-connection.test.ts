import { Duplex } from 'node:stream';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { WebSocketConnection } from './websocket-connection.ts';
import { OPCODES } from './websocket-frames.ts';
import { WebSocketReader } from './websocket-reader.ts';

/** A frame as a client sends it. */
function masked(opcode: number, payload: Buffer, fin = true): Buffer {
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = (fin ? 0x80 : 0) | opcode;
  head[1] = 0x80 | (length < 126 ? length : length < 65_536 ? 126 : 127);
  if (head.length === 4) head.writeUInt16BE(length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2);
  const mask = Buffer.from([1, 2, 3, 250]);
  return Buffer.concat([head, mask, payload.map((byte, i) => byte ^ (mask[i & 3] ?? 0))]);
}

function wired(): {
  socket: Duplex;
  written: Buffer[];
  seen: [string, boolean][];
  closed(): number;
  ws: WebSocketConnection;
} {
  const written: Buffer[] = [];
  const seen: [string, boolean][] = [];
  let closed = 0;
  const socket = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      written.push(chunk);
      done();
    },
  });
  const ws = new WebSocketConnection(socket, Buffer.alloc(0), {
    message: (piece, first) => void seen.push([piece.toString('hex'), first]),
    closed: () => void closed++,
  });
  return { socket, written, seen, closed: () => closed, ws };
}

test('WebSocketReader reads what a client masked, however it is cut', () => {
  const lengths = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.constantFrom(65_535, 65_536, 100_000));
  fc.assert(
    fc.property(lengths, fc.integer({ min: 1, max: 200 }), (length, cuts) => {
      const payload = Buffer.alloc(length, 'abcdefg');
      const bytes = Buffer.concat([masked(OPCODES.binary, payload), masked(OPCODES.ping, Buffer.from('x'))]);
      const pieces: Buffer[] = [];
      const starts: boolean[] = [];
      const controls: number[] = [];
      const reader = new WebSocketReader({
        piece: (piece, first) => void (pieces.push(piece), starts.push(first)),
        control: opcode => void controls.push(opcode),
      });
      const cut = Math.ceil(bytes.length / cuts);
      const codes = new Set<number | undefined>();
      for (let at = 0; at < bytes.length; at += cut) codes.add(reader.push(bytes.subarray(at, at + cut)));
      expect([...codes]).toEqual([undefined]);
      expect(starts.map((first, i) => first === (i === 0))).not.toContain(false);
      expect(pieces[0]?.length).toBeGreaterThanOrEqual(Math.min(2, length));
      // Jest compares long buffers byte by byte, as objects.
      expect(Buffer.concat(pieces).equals(payload)).toBe(true);
      expect(controls).toEqual([OPCODES.ping]);
    }),
    { numRuns: 50 },
  );
});

test.each([
  ['no mask', Buffer.from([0x82, 0x00]), 1002],
  ['an extension', Buffer.from([0xc2, 0x80, 0, 0, 0, 0]), 1002],
  ['longer than numbers go', Buffer.from([0x82, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), 1009],
  ['a long ping', Buffer.from([0x89, 0xfe, 0, 126, 0, 0, 0, 0]), 1002],
  ['a ping in parts', Buffer.from([0x09, 0x80, 0, 0, 0, 0]), 1002],
  ['an unknown opcode', Buffer.from([0x83, 0x80, 0, 0, 0, 0]), 1002],
  ['a continuation of nothing', Buffer.from([0x80, 0x80, 0, 0, 0, 0]), 1002],
  ['a message within a message', Buffer.from([0x02, 0x80, 0, 0, 0, 0, 0x82, 0x80, 0, 0, 0, 0]), 1002],
])('WebSocketReader refuses %s', (_name, bytes, code) => {
  expect(new WebSocketReader({ piece: () => undefined, control: () => undefined }).push(bytes)).toBe(code);
});

test('WebSocketConnection joins what came in pieces, answers pings and closes once', () => {
  const { socket, written, seen, closed } = wired();
  const bytes = Buffer.concat([
    masked(OPCODES.binary, Buffer.from([0, 1, 2]), false),
    masked(OPCODES.ping, Buffer.from('x')),
    masked(OPCODES.continuation, Buffer.from([3])),
    masked(OPCODES.close, Buffer.from([0x03, 0xe8])),
    masked(OPCODES.binary, Buffer.from([9])),
  ]);
  for (const byte of bytes) socket.emit('data', Buffer.from([byte]));
  expect(seen).toEqual([
    ['0001', true],
    ['02', false],
    ['03', false],
  ]);
  expect(Buffer.concat(written).toString('hex')).toBe(`8a01${Buffer.from('x').toString('hex')}880203e8`);
  socket.emit('close');
  expect(closed()).toBe(1);
});

test('WebSocketConnection ends with its socket', () => {
  const { socket, closed, ws } = wired();
  socket.emit('close');
  expect(closed()).toBe(1);
  expect(ws.send(Buffer.from('late'))).toBe(true);
});
