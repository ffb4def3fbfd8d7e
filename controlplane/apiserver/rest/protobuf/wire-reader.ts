/**
 * Walks the fields of one protobuf message. Bounds are checked: a hostile length ends in an error, never outside the buffer.
 */
import { ProtobufError } from './protobuf-error.ts';

export class WireReader {
  readonly #bytes: Buffer;
  #at = 0;
  /** Number of the current field. */
  field = 0;
  /** Its wire type: 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes. */
  wire = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Moves to the next field; false at the end. */
  next(): boolean {
    if (this.#at >= this.#bytes.length) return false;
    const tag = Number(this.varint(true));
    this.field = Math.floor(tag / 8);
    this.wire = tag % 8;
    return true;
  }

  varint(isTag = false): bigint {
    if (!isTag && this.wire !== 0) throw new ProtobufError(`wrong wire type ${this.wire} for field ${this.field}`);
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new ProtobufError('unexpected EOF');
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new ProtobufError('integer overflow');
  }

  bytes(): Buffer {
    if (this.wire !== 2) throw new ProtobufError(`wrong wire type ${this.wire} for field ${this.field}`);
    return this.fixed(Number(this.varint(true)), true);
  }

  fixed(length: number, delimited = false): Buffer {
    if (!delimited && this.wire !== (length === 8 ? 1 : 5))
      throw new ProtobufError(`wrong wire type ${this.wire} for field ${this.field}`);
    const end = this.#at + length;
    if (!(end <= this.#bytes.length)) throw new ProtobufError('unexpected EOF');
    const part = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return part;
  }

  /** Passes over a field that nobody knows. */
  skip(): void {
    if (this.wire === 0) this.varint();
    else if (this.wire === 1) this.fixed(8);
    else if (this.wire === 5) this.fixed(4);
    else this.bytes();
  }
}
