/**
 * Writes protobuf from the end to the beginning, as gogo's generated code does: when a message's length is written, the message stands there.
 *
 * One buffer is used again and again: what `take()` returns is a copy.
 */
const FIRST_BYTES = 64 * 1024;
/** A buffer that one large object has made is not kept for ever. */
const KEPT_BYTES = 1024 * 1024;
/** Longer texts are faster written by the runtime than character by character. */
const SHORT_TEXT = 40;

export class WireWriter {
  private buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  /** Everything from here to the end is written. */
  private at = FIRST_BYTES;

  /** Bytes written so far: a mark for `lengthSince()`. */
  get written(): number {
    return this.buffer.length - this.at;
  }

  /** A copy of what was written; the writer is empty again. */
  take(): Buffer {
    const bytes = Buffer.allocUnsafeSlow(this.written);
    this.buffer.copy(bytes, 0, this.at);
    this.reset();
    return bytes;
  }

  private reset(): void {
    if (this.buffer.length > KEPT_BYTES) this.buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
    this.at = this.buffer.length;
  }

  byte(value: number): void {
    if (this.at < 1) this.grow(1);
    this.buffer[--this.at] = value;
  }

  /** The key of a field. */
  tag(number: number, wire: 0 | 2): void {
    this.varint(number * 8 + wire);
  }

  /** A field that holds what `write` writes. */
  inside(number: number, write: () => void): void {
    const mark = this.written;
    write();
    this.lengthSince(mark);
    this.tag(number, 2);
  }

  /** The length of what has been written since `mark`. */
  lengthSince(mark: number): void {
    this.varint(this.written - mark);
  }

  /** @param value not negative, a safe integer */
  varint(value: number): void {
    if (value < 0x80) return this.byte(value);
    if (this.at < 10) this.grow(10);
    let size = 1;
    for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++;
    this.at -= size;
    let { at } = this;
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.buffer[at++] = (rest % 0x80) + 0x80;
    this.buffer[at] = rest;
  }

  /** Negative numbers take ten bytes, in two's complement. What is no number is zero. */
  int(value: number): void {
    if (value >= 0 && value <= Number.MAX_SAFE_INTEGER) return this.varint(value);
    if (!Number.isFinite(value)) return this.byte(0);
    if (this.at < 10) this.grow(10);
    this.at -= 10;
    let bits = BigInt.asUintN(64, BigInt(value));
    for (let i = 0; i < 9; i++, bits >>= 7n) this.buffer[this.at + i] = Number(bits & 0x7fn) + 0x80;
    this.buffer[this.at + 9] = Number(bits);
  }

  /** Length and UTF-8. */
  text(value: string): void {
    const { length } = value;
    if (length > SHORT_TEXT || !this.ascii(value)) {
      const bytes = Buffer.byteLength(value);
      if (this.at < bytes) this.grow(bytes);
      this.at -= bytes;
      this.buffer.write(value, this.at);
      this.varint(bytes);
    }
  }

  /** Length and bytes that stand as base64 in JSON. */
  base64(value: string): void {
    const bytes = Buffer.from(value, 'base64');
    this.raw(bytes);
    this.varint(bytes.length);
  }

  /** Bytes without their length. */
  raw(bytes: Buffer): void {
    if (this.at < bytes.length) this.grow(bytes.length);
    this.at -= bytes.length;
    bytes.copy(this.buffer, this.at);
  }

  /** Writes a short text, unless it has characters of several bytes. */
  private ascii(value: string): boolean {
    const { length } = value;
    if (this.at < length + 1) this.grow(length + 1);
    const start = this.at - length;
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code > 0x7f) return false;
      this.buffer[start + i] = code;
    }
    this.buffer[start - 1] = length;
    this.at = start - 1;
    return true;
  }

  private grow(bytes: number): void {
    const { written } = this;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.buffer.length * 2, written + bytes));
    this.buffer.copy(larger, larger.length - written, this.at);
    this.buffer = larger;
    this.at = larger.length - written;
  }
}
