/**
 * Stands before a SPDY server that believes what clients announce: a frame of forty bytes can make one take gigabytes. Passes on what a client
 * sends, byte by byte as it was, once it is known to be harmless; long data frames are cut into shorter ones. Anything else ends the stream.
 *
 * - A server keeps what it was told of a stream as long as the stream lives: their number and their headers are bounded, and a client that
 *   sends control frames without pause has to wait.
 * - Bounded: at most one control frame and what its headers unpack to are kept.
 * Source: SPDY Protocol, draft 3.1, sections 2.2 and 2.6.
 */
import { Transform, type TransformCallback } from 'node:stream';
import { createInflate, type Inflate } from 'node:zlib';
import { systemClock, type Clock } from '../process/clock.ts';
import { spdyDictionary } from './spdy-dictionary.ts';
import { SpdyStreams, type SpdyUse } from './spdy-streams.ts';
import { SpdyViolation } from './spdy-violation.ts';

const VERSION = 3;
const HEAD_BYTES = 8;
const FIN = 1;
/** A server takes as much memory as a frame says it has. */
const MAX_DATA_BYTES = 32 * 1024;
const MAX_CONTROL_BYTES = 64 * 1024;
/** Clients of kubelets say the kind of a stream, a port and a number. */
const MAX_HEADER_BYTES = 8 * 1024;
const MAX_HEADERS = 32;
const MAX_SETTINGS = 32;
/** More than a thousand connections a second through a forwarded port. */
const MAX_CONTROLS_A_TURN = 400;
const TURN_MS = 100;

const SETTINGS = 4;
const SETTING_BYTES = 8;
/** By type: the least and the most bytes of a control frame, and where its header block begins. */
const CONTROLS: Readonly<Record<number, { least: number; most: number; block?: number }>> = {
  1: { least: 10, most: MAX_CONTROL_BYTES, block: 10 },
  2: { least: 4, most: MAX_CONTROL_BYTES, block: 4 },
  3: { least: 8, most: 8 },
  [SETTINGS]: { least: 4, most: 4 + SETTING_BYTES * MAX_SETTINGS },
  6: { least: 4, most: 4 },
  7: { least: 8, most: 8 },
  8: { least: 4, most: MAX_CONTROL_BYTES, block: 4 },
  9: { least: 8, most: 8 },
};

export class SpdyGuard extends Transform {
  readonly #streams: SpdyStreams;
  #kept: Buffer = Buffer.alloc(0);
  /** Of a data frame: what it said it is, and how much of it is still to come. */
  #data: { readonly streamId: number; readonly isLast: boolean; left: number } | undefined;
  #headers: HeaderBlocks | undefined;
  readonly #clock: Clock;
  /** Control frames since `#turnMs`. */
  #controls = 0;
  #turnMs = 0;

  constructor(use: SpdyUse, clock: Clock = systemClock) {
    super();
    this.#clock = clock;
    this.#streams = new SpdyStreams(use);
  }

  /** Takes note of what the server says, in order: which streams are over. */
  heard(chunk: Buffer): void {
    this.#streams.heard(chunk);
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#take(chunk).then(
      () => done(),
      (error: Error) => done(error),
    );
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#headers?.close();
    done(error);
  }

  async #take(chunk: Buffer): Promise<void> {
    let rest = this.#kept.length === 0 ? chunk : Buffer.concat([this.#kept, chunk]);
    for (;;) {
      const used = this.#data === undefined ? await this.#frame(rest) : this.#passData(rest, this.#data);
      if (used === 0) break;
      rest = rest.subarray(used);
    }
    this.#kept = Buffer.from(rest);
  }

  /** @returns how many bytes were used; 0: more are needed first */
  async #frame(bytes: Buffer): Promise<number> {
    if (bytes.length < HEAD_BYTES) return 0;
    const first = bytes.readUInt32BE(0);
    const length = bytes.readUIntBE(5, 3);
    if (first >>> 31 === 0) {
      const isLast = (bytes.readUInt8(4) & FIN) !== 0;
      this.#data = { streamId: first, isLast, left: length };
      if (isLast) this.#streams.clientEnded(first);
      if (length === 0) this.#pushData(Buffer.alloc(0));
      return HEAD_BYTES;
    }
    const type = first & 0xffff;
    const control = CONTROLS[type];
    const version = (first >>> 16) & 0x7fff;
    if (version !== VERSION || control === undefined)
      throw new SpdyViolation(`a control frame of version ${version} and type ${type}`);
    if (length < control.least || length > control.most)
      throw new SpdyViolation(`a control frame of type ${type} with ${length} bytes`);
    const end = HEAD_BYTES + length;
    if (bytes.length < end) return 0;
    const payload = bytes.subarray(HEAD_BYTES, end);
    if (type === SETTINGS && payload.readUInt32BE(0) !== (length - 4) / SETTING_BYTES)
      throw new SpdyViolation(`${payload.readUInt32BE(0)} settings in ${length} bytes`);
    if (control.block !== undefined) {
      this.#headers ??= new HeaderBlocks();
      checkHeaders(await this.#headers.unpack(payload.subarray(control.block)));
    }
    this.#streams.controlSent(type, bytes.readUInt8(4), payload);
    await this.#pace();
    this.push(Buffer.from(bytes.subarray(0, end)));
    return end;
  }

  async #pace(): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#turnMs >= TURN_MS) [this.#turnMs, this.#controls] = [nowMs, 0];
    if (++this.#controls > MAX_CONTROLS_A_TURN) await this.#clock.sleep(this.#turnMs + TURN_MS - nowMs);
  }

  #passData(bytes: Buffer, data: { left: number }): number {
    const piece = bytes.subarray(0, Math.min(data.left, MAX_DATA_BYTES));
    if (piece.length > 0) this.#pushData(piece);
    return piece.length;
  }

  #pushData(piece: Buffer): void {
    const data = this.#data;
    if (data === undefined) return;
    data.left -= piece.length;
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeUInt32BE(data.streamId, 0);
    head.writeUInt32BE((((data.left === 0 && data.isLast ? FIN : 0) << 24) | piece.length) >>> 0, 4);
    this.push(Buffer.concat([head, piece]));
    if (data.left === 0) this.#data = undefined;
  }
}

/** Header blocks of one direction: they share one compressed stream. */
class HeaderBlocks {
  private readonly inflate: Inflate = createInflate({ dictionary: spdyDictionary() });
  private readonly pieces: Buffer[] = [];
  private bytes = 0;
  private fail: (error: Error) => void = () => undefined;

  constructor() {
    this.inflate.on('data', (piece: Buffer) => {
      this.bytes += piece.length;
      if (this.bytes > MAX_HEADER_BYTES) this.fail(new SpdyViolation(`headers of more than ${MAX_HEADER_BYTES} bytes`));
      else this.pieces.push(piece);
    });
    this.inflate.on('error', error =>
      this.fail(new SpdyViolation(`headers that cannot be unpacked: ${error.message}`)),
    );
  }

  /** @throws SpdyViolation */
  unpack(block: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.fail = error => {
        this.close();
        reject(error);
      };
      this.inflate.write(block, () => {
        const plain = Buffer.concat(this.pieces.splice(0));
        this.bytes = 0;
        resolve(plain);
      });
    });
  }

  close(): void {
    this.inflate.destroy();
  }
}

/** @throws SpdyViolation when the block says of itself what it is not */
function checkHeaders(block: Buffer): void {
  let at = 4;
  const count = block.length < at ? -1 : block.readUInt32BE(0);
  if (count < 0 || count > MAX_HEADERS) throw new SpdyViolation(`${count} headers`);
  for (let words = 2 * count; words > 0; words--) {
    const length = block.length < at + 4 ? Infinity : block.readUInt32BE(at);
    at += 4 + length;
    if (at > block.length) throw new SpdyViolation('headers longer than their block');
  }
  if (at !== block.length) throw new SpdyViolation('bytes behind the headers');
}
