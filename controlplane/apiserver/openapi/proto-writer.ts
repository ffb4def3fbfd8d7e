/** Writes protobuf messages; just what gnostic.ts needs: texts, flags and messages inside messages. */
export class ProtoWriter {
  #chunks: Buffer[] = [];
  #bytes = 0;

  /** Absent and empty texts are left out, as proto3 does. */
  text(field: number, value: string | undefined): this {
    if (value !== undefined && value !== '') this.#delimited(field, Buffer.from(value, 'utf8'));
    return this;
  }

  texts(field: number, values: readonly string[] | undefined): this {
    for (const value of values ?? []) this.#delimited(field, Buffer.from(value, 'utf8'));
    return this;
  }

  flag(field: number, value: boolean | undefined): this {
    if (value === true) this.#push(Buffer.from([...varint(field * 8), 1]));
    return this;
  }

  message(field: number, write: (writer: ProtoWriter) => void): this {
    const inner = new ProtoWriter();
    write(inner);
    this.#delimited(field, inner.finish());
    return this;
  }

  finish(): Buffer {
    return Buffer.concat(this.#chunks, this.#bytes);
  }

  #delimited(field: number, bytes: Buffer): void {
    this.#push(Buffer.from([...varint(field * 8 + 2), ...varint(bytes.length)]));
    this.#push(bytes);
  }

  #push(bytes: Buffer): void {
    this.#chunks.push(bytes);
    this.#bytes += bytes.length;
  }
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) + 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return bytes;
}
