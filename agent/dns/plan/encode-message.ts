/**
 * A response as bytes, names compressed (RFC 1035, 4.1.4): a headless service with a hundred pods then fits where a third would
 * without. The question goes back byte for byte, so whatever case or type the client wrote, it recognises it.
 */
import { DNSSEC_OK, HEADER_BYTES, OUR_UDP_BYTES } from './decode-query.ts';
import { fullAddress } from './reverse-name.ts';
import type { ZoneRecord } from './zone-records.ts';

export interface ResponseMessage {
  readonly id: number;
  /** All but the truncation bit. */
  readonly flags: number;
  /** The question section: one question as it came. */
  readonly question: Buffer;
  readonly answers: readonly ZoneRecord[];
  readonly authorities: readonly ZoneRecord[];
  /** Left out where they do not fit; nobody depends on them. */
  readonly additionals: readonly ZoneRecord[];
  /** Answer EDNS with EDNS. */
  readonly edns: { readonly dnssecOk: boolean } | undefined;
  /** Answers that do not fit are left out, and the truncation bit set. */
  readonly maxBytes: number;
}

export interface EncodedMessage {
  readonly bytes: Buffer;
  readonly truncated: boolean;
  /** Address records of one size in a row: they may be turned round without reading them. */
  readonly addresses: { readonly at: number; readonly size: number; readonly count: number } | undefined;
}

const OPT_BYTES = 11;
const TRUNCATED = 0x02;
const CLASS_IN = 1;
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
export function encodeMessage(message: ResponseMessage): EncodedMessage {
  const { question, answers, authorities, additionals, edns, maxBytes } = message;
  const ednsBytes = edns === undefined ? 0 : OPT_BYTES;
  const bound = [...answers, ...authorities, ...additionals].reduce((sum, record) => sum + sizeBound(record), 0);
  const writer = new Writer(HEADER_BYTES + question.length + ednsBytes + bound);
  writer.uint16(message.id);
  writer.uint16(0x8000 | message.flags);
  writer.uint16(1);
  writer.at = HEADER_BYTES;
  writer.question(question);

  const limit = maxBytes - ednsBytes;
  const row = new AddressRow();
  const written = writeWhatFits(writer, answers, limit, (record, from) => row.add(record, from, writer.at));
  const truncated = written < answers.length;
  const said = truncated ? 0 : writeWhatFits(writer, authorities, limit);
  const added = truncated ? 0 : writeWhatFits(writer, additionals, limit);
  if (edns !== undefined) {
    writer.uint8(0);
    writer.uint16(41);
    writer.uint16(OUR_UDP_BYTES);
    writer.uint32(edns.dnssecOk ? DNSSEC_OK : 0);
    writer.uint16(0);
  }
  const bytes = writer.done();
  if (truncated) bytes[2] = (bytes[2] ?? 0) | TRUNCATED;
  bytes.writeUInt16BE(written, 6);
  bytes.writeUInt16BE(said, 8);
  bytes.writeUInt16BE(added + (edns === undefined ? 0 : 1), 10);
  return { bytes, truncated, addresses: row.found };
}

/** @returns how many records were written */
function writeWhatFits(
  writer: Writer,
  records: readonly ZoneRecord[],
  limit: number,
  onWritten: (record: ZoneRecord, from: number) => void = () => {},
): number {
  let count = 0;
  for (const record of records) {
    const from = writer.at;
    writeRecord(writer, record);
    if (writer.at > limit) {
      writer.rollBack(from);
      break;
    }
    onWritten(record, from);
    count++;
  }
  return count;
}

/** Follows address records of one type that stand side by side. */
class AddressRow {
  private at = 0;
  private size = 0;
  private count = 0;
  private type = '';
  private isMixed = false;

  add(record: ZoneRecord, from: number, to: number): void {
    if (record.type !== 'A' && record.type !== 'AAAA') {
      this.isMixed ||= this.count > 0;
      return;
    }
    if (this.count === 0) Object.assign(this, { at: from, size: to - from, type: record.type });
    this.isMixed ||= record.type !== this.type || to - from !== this.size;
    this.count++;
  }

  get found(): EncodedMessage['addresses'] {
    return this.isMixed || this.count < 2 ? undefined : { at: this.at, size: this.size, count: this.count };
  }
}

function writeRecord(writer: Writer, record: ZoneRecord): void {
  writer.name(record.name);
  writer.uint16(TYPE_CODES[record.type]);
  writer.uint16(CLASS_IN);
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
  return record.name.length + dataBytes + 48;
}

/** Names are latin1 here as in `Query`: one character a byte. */
class Writer {
  at = 0;
  private readonly bytes: Buffer;
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
    if (value.length > 255) throw new RangeError(`text of ${value.length} bytes, 255 allowed`);
    this.uint8(value.length);
    this.at += this.bytes.write(value, this.at, 'latin1');
  }

  /** Copies the question and remembers its name and all that end it. */
  question(question: Buffer): void {
    const labels: { at: number; text: string }[] = [];
    for (let i = 0; (question[i] ?? 0) !== 0 && (question[i] ?? 0) < 0x40; i += 1 + (question[i] ?? 0)) {
      labels.push({ at: this.at + i, text: question.toString('latin1', i + 1, i + 1 + (question[i] ?? 0)) });
    }
    let suffix = '';
    for (const { at, text } of labels.reverse()) {
      // A dot within a label would make two names look like one.
      if (text.includes('.')) break;
      suffix = suffix === '' ? text : `${text}.${suffix}`;
      this.offsets.set(suffix, at);
    }
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
      if (label.length === 0 || label.length > 63)
        throw new RangeError(`${JSON.stringify(name)} is no name: a label has ${label.length} bytes`);
      this.uint8(label.length);
      this.at += this.bytes.write(label, this.at, 'latin1');
      rest = dot < 0 ? '' : rest.slice(dot + 1);
    }
    this.uint8(0);
  }

  /** Forgets what was written from there on, and the names in it. */
  rollBack(to: number): void {
    this.at = to;
    for (const [name, at] of this.offsets) if (at >= to) this.offsets.delete(name);
  }

  done(): Buffer {
    return this.bytes.subarray(0, this.at);
  }
}
