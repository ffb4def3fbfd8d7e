import { once } from 'node:events';
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import { Writable } from 'node:stream';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { BLOCK_BYTES, joined, writeBlocks, writePieces } from './write-blocks.ts';

const BLOCKS = 2_000;

/** A connection whose other end never reads. */
async function unread(): Promise<{ socket: Socket; close(): void }> {
  const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [[other]] = (await Promise.all([once(server, 'connection'), once(socket, 'connect')])) as [[Socket], unknown];
  socket.on('error', () => {});
  return {
    socket,
    close() {
      socket.destroy();
      other.destroy();
      server.close();
    },
  };
}

/** Takes what it gets as the kernel would: it looks at the bytes after the call and is done with them then. */
class Slow extends Writable {
  readonly chunks: Buffer[] = [];
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    setImmediate(() => {
      this.chunks.push(Buffer.from(chunk));
      done();
    });
  }
}

test.each(['writeBlocks', 'writePieces'] as const)(
  '%s() makes next to nothing for a client that never reads, and cuts it',
  async which => {
    const { socket, close } = await unread();
    let made = 0;
    const blocks = (function* (): Generator<Buffer> {
      for (; made < BLOCKS; made++) yield Buffer.alloc(BLOCK_BYTES);
    })();
    const sent =
      which === 'writeBlocks'
        ? await writeBlocks(socket, blocks, 100)
        : await writePieces(socket, blocks, BLOCKS * BLOCK_BYTES, 100);
    expect([sent, socket.destroyed]).toEqual([false, true]);
    // What the kernel's own buffers take, and one block.
    expect(made).toBeLessThan(BLOCKS / 10);
    close();
  },
);

test('writeBlocks() ends when the client goes away', async () => {
  const { socket, close } = await unread();
  const written = writeBlocks(
    socket,
    Array.from({ length: BLOCKS }, () => Buffer.alloc(BLOCK_BYTES)),
  );
  setImmediate(() => socket.destroy());
  expect(await written).toBe(false);
  close();
});

test('writePieces() and joined() keep every byte, however the pieces fall', async () => {
  const sizes = fc.array(fc.oneof(fc.nat(3_000), fc.nat(3 * BLOCK_BYTES)), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(sizes, async lengths => {
      const pieces = lengths.map((length, i) => Buffer.alloc(length, i + 1));
      const whole = Buffer.concat(pieces);
      const body = new Slow();
      expect(await writePieces(body, pieces, whole.length)).toBe(true);
      expect(Buffer.concat(body.chunks).equals(whole)).toBe(true);
      expect(Math.max(0, ...body.chunks.map(chunk => chunk.length))).toBeLessThanOrEqual(BLOCK_BYTES);
      expect(Buffer.concat([...joined(pieces)]).equals(whole)).toBe(true);
    }),
    { numRuns: 50 },
  );
});
