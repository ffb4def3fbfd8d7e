/** Decoder and encoder against what upstream's API server wrote. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { readEnvelope } from './envelope.ts';
import { layoutOf } from './layout.ts';
import { ProtobufForm } from './protobuf-form.ts';
import { protobufBody, protobufObject } from './protobuf-object.ts';
import { essence } from './testdata/essence.ts';
import { messageReader } from './read-message.ts';
import { typePackageOf } from './type-packages.ts';
import { WireReader } from './wire-reader.ts';
import { WireWriter } from './wire-writer.ts';
import { messageWriter } from './write-message.ts';

interface Json {
  apiVersion?: string;
  kind?: string;
  metadata?: { name?: string; resourceVersion?: string };
}
interface Pair {
  type: string;
  kind: string;
  json: Json;
  protobuf: string;
}
interface Goldens {
  objects: Pair[];
  watches: { json: { type: string; object: Json }; protobuf: string }[];
}

const goldens = JSON.parse(readFileSync(new URL('testdata/upstream-1.20.json', import.meta.url), 'utf8')) as Goldens;
const named = goldens.objects.map(pair => ({ ...pair, name: `${pair.kind} ${pair.json.metadata?.name ?? ''}` }));

describe('what upstream writes', () => {
  test.each(named)('$name is read as the JSON that upstream gives', ({ type, kind, json, protobuf }) => {
    const object = protobufObject(Buffer.from(protobuf, 'base64'), type, kind);
    expect(essence(object)).toEqual(essence(json));
  });

  test.each(named)('$name is the same whether it came as JSON or as protobuf', ({ type, kind, json, protobuf }) => {
    const write = messageWriter(layoutOf(type, kind));
    const message = (object: object): Buffer => {
      const writer = new WireWriter();
      write(writer, object as Record<string, unknown>);
      return writer.take();
    };
    const given = readEnvelope(Buffer.from(protobuf, 'base64')).raw;
    const object = {};
    messageReader(layoutOf(type, kind))(new WireReader(given), object);
    expect(message(object).equals(message(json))).toBe(true);
  });
});

/** Kinds whose types have not grown since. */
const UNCHANGED = ['Status', 'APIGroup', 'APIGroupList', 'APIResourceList'];

test.each(named.filter(({ kind }) => UNCHANGED.includes(kind)))(
  'protobufBody() writes $kind byte for byte as upstream',
  ({ json, protobuf }) => {
    expect(protobufBody(json)?.toString('base64')).toBe(protobuf);
  },
);

test.each(goldens.watches)('ProtobufForm.frame() frames events as upstream does', ({ json, protobuf }) => {
  const { apiVersion = '', kind = '' } = json.object;
  const typePackage = typePackageOf(apiVersion, kind) ?? '';
  const form = new ProtobufForm({ apiVersion, kind, typePackage }, object => object);
  const event = { type: 'ADDED', resourceVersion: '', object: json.object, stored: undefined } as const;
  const upstream = unframed(Buffer.from(protobuf, 'base64'));
  const ours = unframed(form.frame({ ...event, frame: () => Buffer.alloc(0) } as never));
  expect(upstream.type).toBe(json.type);
  expect(ours.type).toBe(json.type);
  const read = (bytes: Buffer): unknown => essence(protobufObject(bytes, typePackage, kind));
  expect(read(upstream.object)).toEqual(essence(json.object));
  expect(read(ours.object)).toEqual(essence(json.object));
});

/** A length in four bytes, then a WatchEvent whose object is a RawExtension. */
function unframed(frame: Buffer): { type: string; object: Buffer } {
  expect(frame.readUInt32BE(0)).toBe(frame.length - 4);
  const reader = new WireReader(frame.subarray(4));
  const found = { type: '', object: Buffer.alloc(0) };
  while (reader.next()) {
    if (reader.field === 1) found.type = reader.text();
    else {
      const outer = reader.enter();
      expect([reader.next(), reader.field]).toEqual([true, 1]);
      found.object = Buffer.from(reader.slice());
      reader.leave(outer);
    }
  }
  return found;
}
