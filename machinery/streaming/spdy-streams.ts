/**
 * Counts the streams of one SPDY connection, by what both sides say. A stream is over when both sides ended it or either reset it.
 * Source: SPDY Protocol, draft 3.1, section 2.3.
 */
import { SpdyViolation } from './spdy-violation.ts';

/** What the connection is for: `command` has a handful of streams in all, `ports` two for each connection that passes. */
export type SpdyUse = 'command' | 'ports';

/** Servers of commands never let go of one that they do not want. */
const MAX_IN_ALL = 16;
const MAX_AT_ONCE = 4_096;

const SYN_STREAM = 1;
const SYN_REPLY = 2;
const RST_STREAM = 3;
const FIN = 1;
const HEAD_BYTES = 8;
const ID_BYTES = 4;

type Side = 'client' | 'server';

export class SpdyStreams {
  readonly #use: SpdyUse;
  /** Which side has ended each that is not over. */
  readonly #open = new Map<number, Side | undefined>();
  #begun = 0;
  /** Of the server's frame that is not all there: its head, and how much of it is to be passed over. */
  #head: Buffer = Buffer.alloc(0);
  #toSkip = 0;

  constructor(use: SpdyUse) {
    this.#use = use;
  }

  /** @throws SpdyViolation when there are too many */
  controlSent(type: number, flags: number, payload: Buffer): void {
    const id = payload.readUInt32BE(0) & 0x7fffffff;
    if (type === RST_STREAM) this.#open.delete(id);
    if (type === SYN_STREAM) {
      this.#open.set(id, undefined);
      if (this.#use === 'command' ? ++this.#begun > MAX_IN_ALL : this.#open.size > MAX_AT_ONCE)
        throw new SpdyViolation(`more than ${this.#use === 'command' ? MAX_IN_ALL : MAX_AT_ONCE} streams`);
    }
    if (type !== RST_STREAM && (flags & FIN) !== 0) this.clientEnded(id);
  }

  clientEnded(id: number): void {
    this.#end(id, 'client');
  }

  /** What the server sends, in order. Only the heads of its frames are looked at. */
  heard(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) {
      const skipped = Math.min(this.#toSkip, rest.length);
      this.#toSkip -= skipped;
      rest = rest.subarray(skipped);
      const used = Math.min(rest.length, HEAD_BYTES + ID_BYTES - this.#head.length);
      const head = Buffer.concat([this.#head, rest.subarray(0, used)]);
      const length = head.length < HEAD_BYTES ? Infinity : head.readUIntBE(5, 3);
      const wanted = HEAD_BYTES + Math.min(ID_BYTES, length);
      if (head.length < wanted) {
        this.#head = head;
        return;
      }
      rest = rest.subarray(wanted - this.#head.length);
      this.#head = Buffer.alloc(0);
      this.#toSkip = HEAD_BYTES + length - wanted;
      this.#serverFrame(head.subarray(0, wanted));
    }
  }

  #serverFrame(head: Buffer): void {
    const first = head.readUInt32BE(0);
    const isLast = (head.readUInt8(4) & FIN) !== 0;
    if (first >>> 31 === 0) {
      if (isLast) this.#end(first, 'server');
      return;
    }
    if (head.length < HEAD_BYTES + ID_BYTES) return;
    const type = first & 0xffff;
    const id = head.readUInt32BE(HEAD_BYTES) & 0x7fffffff;
    if (type === RST_STREAM) this.#open.delete(id);
    else if (type === SYN_REPLY && isLast) this.#end(id, 'server');
  }

  #end(id: number, side: Side): void {
    if (!this.#open.has(id)) return;
    const ended = this.#open.get(id);
    if (ended === undefined || ended === side) this.#open.set(id, side);
    else this.#open.delete(id);
  }
}
