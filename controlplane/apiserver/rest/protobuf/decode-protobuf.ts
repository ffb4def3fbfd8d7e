/**
 * Reads `application/vnd.kubernetes.protobuf` bodies into JSON values: kubectl's typed commands send nothing else.
 * Source: kubernetes.io/docs, "Kubernetes API Concepts", protobuf encoding: the four bytes `k8s\0`, then a runtime.Unknown.
 */
import { formatMicroTime, formatTime } from '../../../../machinery/meta/time.ts';
import type { Layout, Layouts, WireType } from './layout.ts';
import { ProtobufError } from './protobuf-error.ts';
import { WireReader } from './wire-reader.ts';

const MAGIC = Buffer.from('k8s\0');
const MAX_DEPTH = 100;

export interface Envelope {
  readonly apiVersion: string;
  readonly kind: string;
  readonly raw: Buffer;
}

/** @throws ProtobufError */
export function readEnvelope(body: Buffer): Envelope {
  if (!body.subarray(0, 4).equals(MAGIC))
    throw new ProtobufError('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]');
  const envelope: { apiVersion: string; kind: string; raw: Buffer } = {
    apiVersion: '',
    kind: '',
    raw: Buffer.alloc(0),
  };
  const reader = new WireReader(body.subarray(4));
  while (reader.next()) {
    if (reader.field === 2) envelope.raw = reader.bytes();
    else if (reader.field === 1) {
      const meta = new WireReader(reader.bytes());
      while (meta.next()) {
        if (meta.field === 1) envelope.apiVersion = meta.bytes().toString();
        else if (meta.field === 2) envelope.kind = meta.bytes().toString();
        else meta.skip();
      }
    } else reader.skip();
  }
  return envelope;
}

/** The message's JSON form. @throws ProtobufError */
export function decodeMessage(
  layouts: Layouts,
  packageKey: string,
  name: string,
  bytes: Buffer,
): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  readInto(object, layouts.of(packageKey, name), bytes, 0);
  return object;
}

function readInto(object: Record<string, unknown>, layout: Layout, bytes: Buffer, depth: number): void {
  if (depth > MAX_DEPTH) throw new ProtobufError('the message is nested too deeply');
  const reader = new WireReader(bytes);
  while (reader.next()) {
    const field = layout.get(reader.field);
    if (field === undefined) {
      reader.skip();
      continue;
    }
    const { name, type, dropsZero } = field;
    if (name === '' && type.kind === 'message') readInto(object, type.layout(), reader.bytes(), depth + 1);
    else if (type.kind === 'list') {
      const list = (object[name] ??= []) as unknown[];
      list.push(readValue(reader, type.items, depth));
    } else if (type.kind === 'map') {
      const map = (object[name] ??= {}) as Record<string, unknown>;
      readEntry(map, reader.bytes(), type.values, depth);
    } else {
      const value = readValue(reader, type, depth);
      if (value !== undefined && !(dropsZero && isZero(value))) object[name] = value;
    }
  }
}

function readEntry(map: Record<string, unknown>, bytes: Buffer, values: WireType, depth: number): void {
  const reader = new WireReader(bytes);
  let key = '';
  let value: unknown;
  while (reader.next()) {
    if (reader.field === 1) key = reader.bytes().toString();
    else if (reader.field === 2) value = readValue(reader, values, depth);
    else reader.skip();
  }
  Object.defineProperty(map, key, { value: value ?? '', writable: true, enumerable: true, configurable: true });
}

function readValue(reader: WireReader, type: WireType, depth: number): unknown {
  switch (type.kind) {
    case 'string':
      return reader.bytes().toString();
    case 'bytes':
      return reader.bytes().toString('base64');
    case 'bool':
      return reader.varint() !== 0n;
    case 'int':
      return Number(BigInt.asIntN(64, reader.varint()));
    case 'double':
      return reader.fixed(8).readDoubleLE();
    case 'float':
      return reader.fixed(4).readFloatLE();
    case 'message': {
      const object: Record<string, unknown> = {};
      readInto(object, type.layout(), reader.bytes(), depth + 1);
      return object;
    }
    case 'wrappedList': {
      const list: unknown[] = [];
      const inner = new WireReader(reader.bytes());
      while (inner.next()) {
        if (inner.field === 1) list.push(readValue(inner, type.items, depth + 1));
        else inner.skip();
      }
      return list;
    }
    case 'list':
    case 'map':
      throw new ProtobufError('a list or map inside a list has no wire form');
    default:
      return readSpecial(reader.bytes(), type.kind);
  }
}

/** Messages whose JSON is not an object. */
function readSpecial(
  bytes: Buffer,
  kind: 'quantity' | 'intOrString' | 'time' | 'microTime' | 'duration' | 'raw',
): unknown {
  const reader = new WireReader(bytes);
  const numbers = new Map<number, bigint>();
  const texts = new Map<number, Buffer>();
  while (reader.next()) {
    if (reader.wire === 2) texts.set(reader.field, reader.bytes());
    else numbers.set(reader.field, BigInt.asIntN(64, reader.varint()));
  }
  const int = (field: number): number => Number(numbers.get(field) ?? 0n);
  switch (kind) {
    case 'quantity':
      return texts.get(1)?.toString() ?? '0';
    case 'intOrString':
      return int(1) === 1 ? (texts.get(3)?.toString() ?? '') : int(2);
    case 'time':
      return bytes.length === 0 ? undefined : formatTime(int(1) * 1000);
    case 'microTime':
      return bytes.length === 0 ? undefined : formatMicroTime(int(1) * 1000 + int(2) / 1e6);
    case 'duration':
      return `${int(1) / 1e9}s`;
    case 'raw': {
      const raw = texts.get(1);
      return raw === undefined || raw.length === 0 ? undefined : parseRaw(raw);
    }
  }
}

function parseRaw(raw: Buffer): unknown {
  try {
    return JSON.parse(raw.toString()) as unknown;
  } catch (error) {
    throw new ProtobufError('an embedded object is no JSON', { cause: error });
  }
}

function isZero(value: unknown): boolean {
  return (
    value === '' ||
    value === 0 ||
    value === false ||
    (typeof value === 'object' && value !== null && Object.keys(value).length === 0)
  );
}
