/**
 * Walks protobuf messages in one buffer. Bounds are checked: a hostile length ends in an error, never outside the message.
 */
import { ProtobufError } from './protobuf-error.ts';

/** Groups are no longer written by anyone; they are passed over as upstream does, up to this depth. */
const MAX_GROUPS = 100;

export class WireReader {
  private readonly bytes: Buffer;
  private at = 0;
  /** Where the current message ends. */
  private end: number;
  /** Number of the current field. */
  field = 0;
  /** Its wire type: 0 varint, 1 eight bytes, 2 length-delimited, 3 and 4 begin and end of a group, 5 four bytes. */
  wire = 0;
  /** The last varint, seven bits after seven: 28, 28 and 8 of them. */
  private low = 0;
  private middle = 0;
  private high = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.end = bytes.length;
  }

  /** Moves to the next field of the current message; false at its end. */
  next(): boolean {
    if (this.at >= this.end) return false;
    const byte = this.bytes[this.at] as number;
    let tag = byte;
    if (byte < 0x80) this.at++;
    else tag = this.size();
    this.field = Math.floor(tag / 8);
    this.wire = tag % 8;
    if (this.field === 0) throw new ProtobufError(`illegal tag 0 (wire type ${this.wire})`);
    return true;
  }

  /** Whether the current message goes on: for what has no tags inside. */
  more(): boolean {
    return this.at < this.end;
  }

  /** Enters the message that the current field holds. @returns what `leave()` takes */
  enter(): number {
    const outer = this.end;
    this.end = this.delimited();
    return outer;
  }

  leave(outer: number): void {
    this.at = this.end;
    this.end = outer;
  }

  text(): string {
    const end = this.delimited();
    const text = this.bytes.toString('utf8', this.at, end);
    this.at = end;
    return text;
  }

  base64(): string {
    const end = this.delimited();
    const text = this.bytes.toString('base64', this.at, end);
    this.at = end;
    return text;
  }

  /** The bytes themselves, shared. */
  slice(): Buffer {
    const end = this.delimited();
    const part = this.bytes.subarray(this.at, end);
    this.at = end;
    return part;
  }

  bool(): boolean {
    this.scalar();
    return (this.low | this.middle | this.high) !== 0;
  }

  /** The low 32 bits, as Go takes them. */
  int32(): number {
    this.scalar();
    return this.low | (this.middle << 28);
  }

  /** Exact where JSON numbers are. */
  int64(): number {
    this.scalar();
    if ((this.high & 0x80) === 0) return this.low + this.middle * 2 ** 28 + this.high * 2 ** 56;
    const inverted = (~this.low & 0xfffffff) + (~this.middle & 0xfffffff) * 2 ** 28 + (~this.high & 0xff) * 2 ** 56;
    return -inverted - 1;
  }

  /** Passes over a field that nobody knows. */
  skip(): void {
    let depth = 0;
    do {
      if (depth > 0 && !this.next()) throw eof();
      if (this.wire === 3) {
        if (++depth > MAX_GROUPS) throw new ProtobufError('groups are nested too deeply');
      } else if (this.wire === 4) {
        if (--depth < 0) throw new ProtobufError('wiretype end group for non-group');
      } else this.skipValue();
    } while (depth > 0);
  }

  private skipValue(): void {
    switch (this.wire) {
      case 0:
        return this.varint();
      case 1:
        return this.advance(8);
      case 2:
        this.at = this.delimited();
        return;
      case 5:
        return this.advance(4);
      default:
        throw new ProtobufError(`illegal wire type ${this.wire}`);
    }
  }

  private advance(bytes: number): void {
    if (this.at + bytes > this.end) throw eof();
    this.at += bytes;
  }

  /** Reads the length of the current field and returns where it ends. */
  private delimited(): number {
    if (this.wire !== 2) throw this.wrongWire();
    const end = this.size() + this.at;
    if (end > this.end) throw eof();
    return end;
  }

  /** A varint that no valid message makes large: a tag or a length. */
  private size(): number {
    this.varint();
    return this.low + this.middle * 2 ** 28 + this.high * 2 ** 56;
  }

  private scalar(): void {
    if (this.wire !== 0) throw this.wrongWire();
    this.varint();
  }

  private varint(): void {
    this.low = this.middle = this.high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.at >= this.end) throw eof();
      const byte = this.bytes[this.at++] as number;
      const bits = byte & 0x7f;
      if (shift < 28) this.low |= bits << shift;
      else if (shift < 56) this.middle |= bits << (shift - 28);
      else this.high |= (bits << (shift - 56)) & 0xff;
      if (byte < 0x80) return;
    }
    throw new ProtobufError('integer overflow');
  }

  private wrongWire(): ProtobufError {
    return new ProtobufError(`wrong wireType = ${this.wire} for field ${this.field}`);
  }
}

function eof(): ProtobufError {
  return new ProtobufError('unexpected EOF');
}
