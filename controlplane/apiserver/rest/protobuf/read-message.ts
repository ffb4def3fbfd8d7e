/**
 * Makes of a layout what reads its messages into JSON: one closure a field. Fields that nobody knows are passed over.
 *
 * The result is what upstream's types would show as JSON: zeros of optional fields that cannot be absent are left out.
 */
import { CodecError, parseJson } from '../../../../machinery/meta/codec.ts';
import { formatDuration } from '../../../../machinery/meta/duration.ts';
import { setOwn, type JsonObject, type JsonValue } from '../../../../machinery/meta/json-value.ts';
import { formatTime } from '../../../../machinery/meta/time.ts';
import type { Layout, WireField, WireType } from './layout.ts';
import { ProtobufError } from './protobuf-error.ts';
import type { WireReader } from './wire-reader.ts';

type Json = Record<string, unknown>;
/** Reads the fields of the current message into `object`. */
type MessageReader = (reader: WireReader, object: Json) => void;
type ValueReader = (reader: WireReader) => unknown;

/** The years that a time in JSON can have; the first second is Go's zero time. */
const MIN_SECONDS = -62_135_596_800;
const MAX_SECONDS = 253_402_300_799;

const readers = new WeakMap<Layout, MessageReader>();

/** The same function for the same layout. It throws ProtobufError. */
export function messageReader(layout: Layout): MessageReader {
  let reader = readers.get(layout);
  if (reader === undefined) readers.set(layout, (reader = compile(layout)));
  return reader;
}

function compile({ fields }: Layout): MessageReader {
  const byNumber: (MessageReader | undefined)[] = [];
  for (const field of fields) byNumber[field.number] = fieldReader(field);
  return (reader, object) => {
    while (reader.next()) {
      const read = byNumber[reader.field];
      if (read === undefined) reader.skip();
      else read(reader, object);
    }
  };
}

function fieldReader({ name, type, nullable, required }: WireField): MessageReader {
  if (type.kind === 'list') return listReader(name, type.items);
  if (type.kind === 'map') return mapReader(name, type.values);
  if (name === '' && type.kind === 'message') return inlineReader(type.layout);
  const read = valueReader(type);
  const keepsZero = nullable || required || type.kind === 'raw';
  // The empty text is another value than the number that stands for nothing.
  const isNothing = type.kind === 'intOrString' ? (value: unknown): boolean => value === 0 : isZero;
  return (reader, object) => {
    const value = read(reader);
    if (value !== undefined && (keepsZero || !isNothing(value))) object[name] = value;
  };
}

function inlineReader(layout: () => Layout): MessageReader {
  let read: MessageReader | undefined;
  return (reader, object) => {
    read ??= messageReader(layout());
    const outer = reader.enter();
    read(reader, object);
    reader.leave(outer);
  };
}

function listReader(name: string, items: WireType): MessageReader {
  const read = valueReader(items);
  const packable = items.kind === 'bool' || items.kind === 'int32' || items.kind === 'int64';
  return (reader, object) => {
    const list = (object[name] ??= []) as unknown[];
    if (!packable || reader.wire !== 2) list.push(read(reader));
    else {
      const outer = reader.enter();
      for (reader.wire = 0; reader.more();) list.push(read(reader));
      reader.leave(outer);
    }
  };
}

function mapReader(name: string, values: WireType): MessageReader {
  const read = valueReader(values);
  const zero = zeroOf(values);
  return (reader, object) => {
    const outer = reader.enter();
    let key = '';
    let value: unknown;
    while (reader.next()) {
      if (reader.field === 1) key = reader.text();
      else if (reader.field === 2) value = read(reader);
      else reader.skip();
    }
    reader.leave(outer);
    setOwn((object[name] ??= {}) as JsonObject, key, (value ?? zero) as JsonValue);
  };
}

function zeroOf({ kind }: WireType): unknown {
  if (kind === 'quantity') return '0';
  if (kind === 'duration') return '0s';
  if (kind === 'time' || kind === 'microTime') return null;
  return kind === 'message' ? {} : kind === 'wrappedList' ? [] : '';
}

function valueReader(type: WireType): ValueReader {
  switch (type.kind) {
    case 'string':
      return reader => reader.text();
    case 'bytes':
      return reader => reader.base64();
    case 'bool':
      return reader => reader.bool();
    case 'int32':
      return reader => reader.int32();
    case 'int64':
      return reader => reader.int64();
    case 'quantity':
      return inMessage(readQuantity);
    case 'intOrString':
      return inMessage(readIntOrString);
    case 'time':
      return inMessage(reader => readTime(reader, false));
    case 'microTime':
      return inMessage(reader => readTime(reader, true));
    case 'duration':
      return inMessage(readDuration);
    case 'raw':
      return inMessage(readRaw);
    case 'message': {
      // Types may contain themselves: the reader of the inner one is asked for when it is needed.
      let read: MessageReader | undefined;
      return inMessage(reader => {
        read ??= messageReader(type.layout());
        const object: Json = {};
        read(reader, object);
        return object;
      });
    }
    case 'wrappedList': {
      const read = listReader('items', type.items);
      return inMessage(reader => {
        const object = { items: [] };
        while (reader.next()) {
          if (reader.field === 1) read(reader, object);
          else reader.skip();
        }
        return object.items;
      });
    }
    case 'list':
    case 'map':
      throw new Error('A list or map inside a list or map has no form on the wire');
  }
}

function inMessage(read: ValueReader): ValueReader {
  return reader => {
    const outer = reader.enter();
    const value = read(reader);
    reader.leave(outer);
    return value;
  };
}

function readQuantity(reader: WireReader): string {
  let text = '0';
  while (reader.next()) {
    if (reader.field === 1) text = reader.text();
    else reader.skip();
  }
  return text;
}

function readIntOrString(reader: WireReader): number | string {
  let isText = false;
  let number = 0;
  let text = '';
  while (reader.next()) {
    if (reader.field === 1) isText = reader.int32() === 1;
    else if (reader.field === 2) number = reader.int32();
    else if (reader.field === 3) text = reader.text();
    else reader.skip();
  }
  return isText ? text : number;
}

/** Undefined for the zero time, which is written as nothing. */
function readTime(reader: WireReader, micro: boolean): string | undefined {
  let empty = true;
  let seconds = 0;
  let nanos = 0;
  while (reader.next()) {
    empty = false;
    if (reader.field === 1) seconds = reader.int64();
    else if (reader.field === 2) nanos = reader.int32();
    else reader.skip();
  }
  if (empty || seconds === MIN_SECONDS) return undefined;
  if (seconds < MIN_SECONDS || seconds > MAX_SECONDS || nanos < 0 || nanos > 999_999_999)
    throw new ProtobufError(`${seconds} s and ${nanos} ns is no time between the years 1 and 9999`);
  const text = formatTime(seconds * 1000);
  return micro ? `${text.slice(0, -1)}.${String(Math.trunc(nanos / 1000)).padStart(6, '0')}Z` : text;
}

function readDuration(reader: WireReader): string {
  let nanos = 0;
  while (reader.next()) {
    if (reader.field === 1) nanos = reader.int64();
    else reader.skip();
  }
  return formatDuration(nanos);
}

function readRaw(reader: WireReader): unknown {
  let raw: Buffer | undefined;
  while (reader.next()) {
    if (reader.field === 1) raw = reader.slice();
    else reader.skip();
  }
  if (raw === undefined || raw.length === 0) return undefined;
  try {
    return parseJson(raw.toString());
  } catch (error) {
    if (error instanceof CodecError)
      throw new ProtobufError(`an embedded object is no JSON: ${error.message}`, { cause: error });
    throw error;
  }
}

function isZero(value: unknown): boolean {
  if (value === '' || value === 0 || value === false) return true;
  if (typeof value !== 'object' || value === null) return false;
  for (const _name in value) return false;
  return true;
}
