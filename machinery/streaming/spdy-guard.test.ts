import { constants, deflateSync, type ZlibOptions } from 'node:zlib';
import { PassThrough } from 'node:stream';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FakeClock } from '../process/clock.ts';
import { SpdyClient } from './spdy-client.ts';
import { spdyDictionary } from './spdy-dictionary.ts';
import { SpdyGuard } from './spdy-guard.ts';
import type { SpdyUse } from './spdy-streams.ts';
import { SpdyViolation } from './spdy-violation.ts';

const u32 = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => bytes.writeUInt32BE(value >>> 0, 4 * i));
  return bytes;
};
const control = (type: number, payload: Buffer, version = 3): Buffer =>
  Buffer.concat([u32(0x80000000 + version * 0x10000 + type, payload.length), payload]);
const data = (id: number, flags: number, payload: Buffer): Buffer =>
  Buffer.concat([u32(id, flags * 0x1000000 + payload.length), payload]);
const word = (text: string): Buffer => Buffer.concat([u32(text.length), Buffer.from(text)]);
const packed = (plain: Buffer): Buffer =>
  deflateSync(plain, { dictionary: spdyDictionary(), finishFlush: constants.Z_SYNC_FLUSH } as ZlibOptions);
const synStream = (block: Buffer): Buffer => control(1, Buffer.concat([u32(1, 0), Buffer.alloc(2), packed(block)]));
const HEADERS = Buffer.concat([u32(1), word('streamtype'), word('data')]);

/** What comes out behind the guard when `bytes` come in pieces; throws as it does. */
async function through(bytes: Buffer, pieceBytes = bytes.length, use: SpdyUse = 'ports'): Promise<Buffer> {
  const guard = new SpdyGuard(use);
  const out: Buffer[] = [];
  guard.on('data', (chunk: Buffer) => void out.push(chunk));
  const over = new Promise<void>((resolve, reject) => guard.once('end', resolve).once('error', reject));
  for (let at = 0; at < bytes.length; at += pieceBytes) guard.write(bytes.subarray(at, at + pieceBytes));
  guard.end();
  await over;
  return Buffer.concat(out);
}

test('spdyDictionary() is the one that its checksum names', () => {
  expect(spdyDictionary()).toHaveLength(1423);
  // zlib writes the checksum behind its own head.
  expect(packed(HEADERS).subarray(2, 6).toString('hex')).toBe('e3c6a7c2');
});

test('what is harmless passes as it was, however it is cut', async () => {
  const bytes = Buffer.concat([
    control(4, u32(1, 4, 100)),
    synStream(HEADERS),
    data(1, 0, Buffer.from('h')),
    control(6, u32(1)),
    data(1, 1, Buffer.alloc(0)),
    control(3, u32(1, 5)),
    control(7, u32(0, 0)),
  ]);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: bytes.length }), async size => {
      expect((await through(bytes, size)).equals(bytes)).toBe(true);
    }),
    { numRuns: 20 },
  );
});

test('a long data frame becomes short ones, of which the last is the last', async () => {
  const payload = Buffer.alloc(100_000, 'abc');
  let out = await through(data(5, 1, payload), 7_777);
  const pieces: Buffer[] = [];
  const flags: number[] = [];
  while (out.length > 0) {
    const length = out.readUIntBE(5, 3);
    expect(out.readUInt32BE(0)).toBe(5);
    expect(length).toBeLessThanOrEqual(32 * 1024);
    flags.push(out.readUInt8(4));
    pieces.push(out.subarray(8, 8 + length));
    out = out.subarray(8 + length);
  }
  expect(Buffer.concat(pieces).equals(payload)).toBe(true);
  expect(flags.indexOf(1)).toBe(flags.length - 1);
});

test('headers of several streams share their compression', async () => {
  const wire = new PassThrough();
  const sent: Buffer[] = [];
  wire.on('data', (chunk: Buffer) => void sent.push(chunk));
  const spdy = new SpdyClient(wire, Buffer.alloc(0), { data: () => undefined, closed: () => undefined });
  for (const streamtype of ['error', 'data', 'error', 'data']) spdy.open({ streamtype });
  await new Promise(resolve => setImmediate(resolve));
  const bytes = Buffer.concat(sent);
  expect((await through(bytes)).equals(bytes)).toBe(true);
});

test.each([
  ['more headers than bytes', synStream(u32(0xf0000000))],
  ['a name longer than its block', synStream(Buffer.concat([u32(1), u32(0xf0000000)]))],
  ['bytes behind the headers', synStream(Buffer.concat([HEADERS, Buffer.alloc(9)]))],
  ['headers that unpack to megabytes', synStream(Buffer.concat([u32(1), word('a'), word('b'.repeat(8_000_000))]))],
  ['headers that are no zlib', control(1, Buffer.alloc(64, 0xff))],
  ['more settings than bytes', control(4, u32(0xf0000000))],
  ['a control frame that is long', Buffer.concat([u32(0x80030001, 0xffffff)])],
  ['a ping of the wrong size', control(6, u32(1, 2))],
  ['an unknown type', control(11, u32(1))],
  ['another version', control(6, u32(1), 2)],
  ['no SPDY at all', Buffer.alloc(64, 0xff)],
])('%s ends the stream', async (_name, bytes) => {
  await expect(through(bytes)).rejects.toThrow(SpdyViolation);
});

/** What a client sends that opens so many streams. */
async function opened(count: number): Promise<Buffer> {
  const wire = new PassThrough();
  const sent: Buffer[] = [];
  wire.on('data', (chunk: Buffer) => void sent.push(chunk));
  const spdy = new SpdyClient(wire, Buffer.alloc(0), { data: () => undefined, closed: () => undefined });
  for (let i = 0; i < count; i++) spdy.open({ streamtype: 'data' });
  await new Promise(resolve => setImmediate(resolve));
  return Buffer.concat(sent);
}

test('a command has few streams in all', async () => {
  await expect(through(await opened(16), 100, 'command')).resolves.toBeDefined();
  await expect(through(await opened(17), 100, 'command')).rejects.toThrow('more than 16 streams');
});

test('a client that sends control frames without pause has to wait', async () => {
  const clock = new FakeClock();
  const guard = new SpdyGuard('ports', clock);
  const ping = control(6, u32(1));
  let bytes = 0;
  guard.on('data', (chunk: Buffer) => void (bytes += chunk.length));
  guard.write(Buffer.concat(Array.from({ length: 401 }, () => ping)));
  for (let i = 0; i < 10; i++) await new Promise(resolve => setImmediate(resolve));
  expect(bytes).toBe(400 * ping.length);
  await clock.advance(100);
  for (let i = 0; i < 10; i++) await new Promise(resolve => setImmediate(resolve));
  expect(bytes).toBe(401 * ping.length);
  guard.destroy();
});
