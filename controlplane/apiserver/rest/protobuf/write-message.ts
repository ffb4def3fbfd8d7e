/**
 * Makes of a layout what writes its messages: one closure a field, so that nothing is looked up by name or number while writing.
 *
 * Bytes are those of upstream's generated code: fields by number, maps by key, zeros of what cannot be absent.
 */
import { parseDuration } from '../../../../machinery/meta/duration.ts';
import { timeParts } from '../../../../machinery/meta/time.ts';
import type { Layout, WireField, WireType } from './layout.ts';
import type { WireWriter } from './wire-writer.ts';

type Json = Record<string, unknown>;
/** Writes the fields of a message whose JSON is `object`. */
export type MessageWriter = (writer: WireWriter, object: Json) => void;
/** Writes a value with its length, without a tag. */
type ValueWriter = (writer: WireWriter, value: unknown) => void;

const EMPTY: Json = {};
/** `2026-01-02T03:04:05Z` */
const SECONDS_TEXT = 20;
const writers = new WeakMap<Layout, MessageWriter>();

/** The same function for the same layout. */
export function messageWriter(layout: Layout): MessageWriter {
  let writer = writers.get(layout);
  if (writer === undefined) writers.set(layout, (writer = compile(layout)));
  return writer;
}

function compile(layout: Layout): MessageWriter {
  // Written from the end: the highest number first.
  const fields = layout.fields.map(fieldWriter).reverse();
  return (writer, object) => {
    for (const write of fields) write(writer, object);
  };
}

function fieldWriter({ number, name, type, nullable }: WireField): MessageWriter {
  if (type.kind === 'list') return listWriter(number, name, type.items);
  if (type.kind === 'map') return mapWriter(number, name, type.values);
  const write = valueWriter(type);
  const wire = wireOf(type);
  if (name === '') {
    return (writer, object) => {
      write(writer, object);
      writer.tag(number, wire);
    };
  }
  const zero = zeroOf(type);
  return (writer, object) => {
    let value = object[name];
    if (value === undefined || value === null) {
      if (nullable) return;
      value = zero;
    }
    write(writer, value);
    writer.tag(number, wire);
  };
}

function listWriter(number: number, name: string, items: WireType): MessageWriter {
  const write = valueWriter(items);
  const wire = wireOf(items);
  return (writer, object) => {
    const list = object[name];
    if (!Array.isArray(list)) return;
    for (let i = list.length - 1; i >= 0; i--) {
      write(writer, list[i]);
      writer.tag(number, wire);
    }
  };
}

function mapWriter(number: number, name: string, values: WireType): MessageWriter {
  const write = valueWriter(values);
  const wire = wireOf(values);
  return (writer, object) => {
    const map = object[name];
    if (map === undefined || map === null) return;
    const keys = Object.keys(map).sort();
    for (let i = keys.length - 1; i >= 0; i--) {
      const key = keys[i] as string;
      const value = (map as Json)[key];
      if (value === undefined) continue;
      const mark = writer.written;
      write(writer, value);
      writer.tag(2, wire);
      writer.text(key);
      writer.tag(1, 2);
      writer.lengthSince(mark);
      writer.tag(number, 2);
    }
  };
}

function wireOf({ kind }: WireType): 0 | 2 {
  return kind === 'bool' || kind === 'int32' || kind === 'int64' ? 0 : 2;
}

function zeroOf({ kind }: WireType): unknown {
  if (kind === 'bool') return false;
  if (kind === 'int32' || kind === 'int64' || kind === 'intOrString') return 0;
  return kind === 'message' ? EMPTY : undefined;
}

function valueWriter(type: WireType): ValueWriter {
  switch (type.kind) {
    case 'string':
      return (writer, value) => writer.text(textOf(value));
    case 'bytes':
      return (writer, value) => writer.base64(textOf(value));
    case 'bool':
      return (writer, value) => writer.byte(value === true ? 1 : 0);
    case 'int32':
    case 'int64':
      return (writer, value) => writer.int(Math.trunc(Number(value)));
    case 'quantity':
      return inMessage((writer, value) => {
        writer.text(value === undefined ? '0' : textOf(value));
        writer.tag(1, 2);
      });
    case 'intOrString':
      return inMessage(writeIntOrString);
    case 'time':
      return inMessage((writer, value) => writeTime(writer, value, false));
    case 'microTime':
      return inMessage((writer, value) => writeTime(writer, value, true));
    case 'duration':
      return inMessage((writer, value) => {
        writer.int(parseDuration(textOf(value)) ?? 0);
        writer.tag(1, 0);
      });
    case 'raw':
      return inMessage((writer, value) => {
        if (value === undefined) return;
        writer.text(JSON.stringify(value));
        writer.tag(1, 2);
      });
    case 'message': {
      // Types may contain themselves: the writer of the inner one is asked for when it is needed.
      let write: MessageWriter | undefined;
      return inMessage((writer, value) => {
        write ??= messageWriter(type.layout());
        write(writer, (value ?? EMPTY) as Json);
      });
    }
    case 'wrappedList': {
      const write = listWriter(1, 'items', type.items);
      return inMessage((writer, value) => write(writer, { items: value }));
    }
    case 'list':
    case 'map':
      throw new Error('A list or map inside a list or map has no form on the wire');
  }
}

function inMessage(write: ValueWriter): ValueWriter {
  return (writer, value) => {
    const mark = writer.written;
    write(writer, value);
    writer.lengthSince(mark);
  };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : value === undefined || value === null ? '' : String(value as number);
}

function writeIntOrString(writer: WireWriter, value: unknown): void {
  const isText = typeof value === 'string';
  writer.text(isText ? value : '');
  writer.tag(3, 2);
  writer.int(isText ? 0 : Number(value));
  writer.tag(2, 0);
  writer.byte(isText ? 1 : 0);
  writer.tag(1, 0);
}

/** A Timestamp; nothing at all for the zero time. */
function writeTime(writer: WireWriter, value: unknown, micro: boolean): void {
  if (typeof value !== 'string') return;
  // Whole seconds in UTC, as nearly all are, need no looking into.
  let seconds = value.length === SECONDS_TEXT && !micro ? Date.parse(value) / 1000 : NaN;
  let nanos = 0;
  if (!Number.isInteger(seconds)) {
    const parts = timeParts(value);
    if (parts === undefined) return;
    seconds = parts.seconds;
    nanos = micro ? parts.micros * 1000 : 0;
  }
  writer.varint(nanos);
  writer.tag(2, 0);
  writer.int(seconds);
  writer.tag(1, 0);
}
