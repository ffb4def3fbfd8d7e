import { Duplex } from 'node:stream';
import { constants, inflateSync } from 'node:zlib';
import { expect, test } from '@jest/globals';
import { SpdyClient } from './spdy-client.ts';

interface Frame {
  readonly id: number;
  readonly flags: number;
  readonly payload: Buffer;
}

function wired(): { spdy: SpdyClient; socket: Duplex; frames(): Frame[]; seen: unknown[] } {
  const written: Buffer[] = [];
  const seen: unknown[] = [];
  const socket = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      written.push(chunk);
      done();
    },
  });
  const spdy = new SpdyClient(socket, Buffer.alloc(0), {
    data: (id, payload, last) => void seen.push([id, payload.toString(), last]),
    closed: () => void seen.push('closed'),
  });
  const frames = (): Frame[] => {
    let bytes = Buffer.concat(written);
    const found: Frame[] = [];
    while (bytes.length > 0) {
      const length = bytes.readUIntBE(5, 3);
      found.push({ id: bytes.readUInt32BE(0), flags: bytes.readUInt8(4), payload: bytes.subarray(8, 8 + length) });
      bytes = bytes.subarray(8 + length);
    }
    return found;
  };
  return { spdy, socket, frames, seen };
}

const dataFrame = (id: number, flags: number, text: string): Buffer => {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(id);
  head.writeUInt32BE(((flags << 24) | text.length) >>> 0, 4);
  return Buffer.concat([head, Buffer.from(text)]);
};

test('open() sends headers that one zlib stream holds', () => {
  const { spdy, frames } = wired();
  expect([spdy.open({ streamType: 'error' }), spdy.open({ streamType: 'stdin' })]).toEqual([1, 3]);
  const opened = frames();
  expect(opened.map(({ id }) => id.toString(16))).toEqual(['80030001', '80030001']);
  expect(opened.map(({ payload }) => payload.readUInt32BE(0))).toEqual([1, 3]);
  const compressed = Buffer.concat(opened.map(({ payload }) => payload.subarray(10)));
  const plain = inflateSync(compressed, { finishFlush: constants.Z_SYNC_FLUSH });
  const block = (value: string): string => `\0\0\0\x01\0\0\0\x0astreamtype\0\0\0\x05${value}`;
  expect(plain.toString()).toBe(block('error') + block('stdin'));
});

test('write() splits what is long, end() says no more', () => {
  const { spdy, frames } = wired();
  spdy.write(3, Buffer.alloc(600 * 1024));
  spdy.end(3);
  expect(frames().map(({ id, flags, payload }) => [id, flags, payload.length])).toEqual([
    [3, 0, 512 * 1024],
    [3, 0, 88 * 1024],
    [3, 1, 0],
  ]);
});

test('data comes whole from pieces, pings are answered, the end is told once', () => {
  const { socket, frames, seen } = wired();
  const ping = (id: number): Buffer => Buffer.from([0x80, 3, 0, 6, 0, 0, 0, 4, 0, 0, 0, id]);
  const reply = Buffer.from([0x80, 3, 0, 2, 0, 0, 0, 4, 0, 0, 0, 1]);
  const bytes = Buffer.concat([reply, dataFrame(1, 0, 'hello'), ping(2), ping(1), dataFrame(1, 1, '')]);
  for (const byte of bytes) socket.emit('data', Buffer.from([byte]));
  socket.emit('end');
  socket.emit('close');
  expect(seen).toEqual([[1, 'hello', false], [1, '', true], 'closed']);
  expect(frames()).toEqual([{ id: 0x80030006, flags: 0, payload: Buffer.from([0, 0, 0, 2]) }]);
});

test('nonsense ends the connection', () => {
  const { socket, seen } = wired();
  socket.emit('data', Buffer.from([0x80, 3, 0, 6, 0, 0, 0, 1, 0]));
  expect(seen).toEqual(['closed']);
});
