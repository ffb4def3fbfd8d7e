/**
 * Blocks as chunks of HTTP/1.1's chunked coding, made once for all connections that send the same block: Node's own writer makes four
 * buffers and a copy of each write on each connection.
 */
const known = new WeakMap<Buffer, Buffer>();
const LINE_END = Buffer.from('\r\n');

export const LAST_CHUNK = Buffer.from('0\r\n\r\n');

/** @param block not empty, and not changed any more */
export function httpChunk(block: Buffer): Buffer {
  let chunk = known.get(block);
  if (chunk === undefined) {
    chunk = Buffer.concat([Buffer.from(`${block.length.toString(16)}\r\n`), block, LINE_END]);
    known.set(block, chunk);
  }
  return chunk;
}
