/**
 * A response as bytes, names compressed (RFC 1035, 4.1.4): a headless service with a hundred pods then fits where a third would
 * without. The question goes back byte for byte, so whatever case or type the client wrote, it recognises it.
 */
import { fullAddress } from './reverse-name.ts';
import type { ZoneRecord } from './zone-records.ts';

export interface ResponseMessage {
  readonly id: number;
  readonly flags: number;
  /** The question section: one question as it came. */
  readonly question: Buffer;
  readonly answers: readonly ZoneRecord[];
  readonly authorities: readonly ZoneRecord[];
  readonly additionals: readonly ZoneRecord[];
  /** Answer EDNS with EDNS. */
  readonly edns: { readonly udpBytes: number; readonly dnssecOk: boolean } | undefined;
}

const HEADER_BYTES = 12;
const OPT_BYTES = 11;
const TYPE_CODES: Record<ZoneRecord['type'], number> = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
};

/** @throws RangeError if a name or text cannot be part of a message */
export function encodeMessage(message: ResponseMessage): Buffer {
  const { question, answers, authorities, additionals, edns } = message;
  const records = [...answers, ...authorities, ...additionals];
  const writer = new Writer(
    HEADER_BYTES + question.length + OPT_BYTES + records.reduce((sum, r) => sum + sizeBound(r), 0),
  );
  writer.uint16(message.id);
  writer.uint16(0x8000 | message.flags);
  writer.uint16(1);
  writer.uint16(answers.length);
  writer.uint16(authorities.length);
  writer.uint16(additionals.length + (edns === undefined ? 0 : 1));
  writer.question(question);
  for (const record of records) writeRecord(writer, record);
  if (edns !== undefined) {
    writer.uint8(0);
    writer.uint16(41);
    writer.uint16(edns.udpBytes);
    writer.uint32(edns.dnssecOk ? 0x8000 : 0);
    writer.uint16(0);
  }
  return writer.done();
}

function writeRecord(writer: Writer, record: ZoneRecord): void {
  writer.name(record.name);
  writer.uint16(TYPE_CODES[record.type]);
  writer.uint16(1);
  writer.uint32(record.ttl);
  const lengthAt = writer.reserve16();
  switch (record.type) {
    case 'A':
      for (const part of record.data.split('.')) writer.uint8(Number(part));
      break;
    case 'AAAA':
      for (const group of fullAddress(record.data).split(':')) writer.uint16(parseInt(group, 16));
      break;
    case 'CNAME':
    case 'PTR':
    case 'NS':
      writer.name(record.data);
      break;
    case 'TXT':
      writer.text(record.data);
      break;
    case 'SRV':
      writer.uint16(record.data.priority);
      writer.uint16(record.data.weight);
      writer.uint16(record.data.port);
      // RFC 2782: the target is not compressed.
      writer.name(record.data.target, false);
      break;
    case 'SOA':
      writer.name(record.data.mname);
      writer.name(record.data.rname);
      for (const key of ['serial', 'refresh', 'retry', 'expire', 'minimum'] as const) writer.uint32(record.data[key]);
      break;
  }
  writer.fill16(lengthAt);
}

function sizeBound(record: ZoneRecord): number {
  const { data } = record;
  const dataBytes =
    typeof data === 'string'
      ? data.length
      : 'target' in data
        ? data.target.length
        : data.mname.length + data.rname.length;
  return record.name.length + 3 * dataBytes + 48;
}

class Writer {
  private readonly bytes: Buffer;
  private at = 0;
  private readonly offsets = new Map<string, number>();

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafe(size);
  }

  uint8(value: number): void {
    this.at = this.bytes.writeUInt8(value, this.at);
  }

  uint16(value: number): void {
    this.at = this.bytes.writeUInt16BE(value, this.at);
  }

  uint32(value: number): void {
    this.at = this.bytes.writeUInt32BE(value, this.at);
  }

  reserve16(): number {
    this.at += 2;
    return this.at - 2;
  }

  fill16(at: number): void {
    this.bytes.writeUInt16BE(this.at - at - 2, at);
  }

  text(value: string): void {
    const length = Buffer.byteLength(value);
    if (length > 255) throw new RangeError(`text of ${length} bytes, 255 allowed`);
    this.uint8(length);
    this.at += this.bytes.write(value, this.at);
  }

  /** Copies the question and remembers its name and all that end it. */
  question(question: Buffer): void {
    const labels: { at: number; text: string }[] = [];
    for (let i = 0; (question[i] ?? 0) !== 0 && (question[i] ?? 0) < 0x40; i += 1 + (question[i] ?? 0)) {
      labels.push({ at: this.at + i, text: question.toString('utf8', i + 1, i + 1 + (question[i] ?? 0)) });
    }
    labels.forEach(({ at }, i) =>
      this.offsets.set(
        labels
          .slice(i)
          .map(label => label.text)
          .join('.'),
        at,
      ),
    );
    this.at += question.copy(this.bytes, this.at);
  }

  name(name: string, mayPoint = true): void {
    let rest = name;
    while (rest !== '' && rest !== '.') {
      const known = this.offsets.get(rest);
      if (known !== undefined && mayPoint) return this.uint16(0xc000 | known);
      if (known === undefined && this.at < 0x4000) this.offsets.set(rest, this.at);
      const dot = rest.indexOf('.');
      const label = dot < 0 ? rest : rest.slice(0, dot);
      const length = Buffer.byteLength(label);
      if (length === 0 || length > 63)
        throw new RangeError(`${JSON.stringify(name)} is no name: a label has ${length} bytes`);
      this.uint8(length);
      this.at += this.bytes.write(label, this.at);
      rest = dot < 0 ? '' : rest.slice(dot + 1);
    }
    this.uint8(0);
  }

  done(): Buffer {
    return this.bytes.subarray(0, this.at);
  }
}
