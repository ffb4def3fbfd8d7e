/**
 * The generated code against an independent reader of the same wire: messages made from the table at random are encoded by ts-proto and decoded by
 * proto-loader, which knows runtime.proto only at run time, and the other way round.
 */
import { join } from 'node:path';
import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import table from './cri-v1.json' with { type: 'json' };
import * as generated from './runtime.gen.ts';

interface Field {
  name: string;
  type: string;
  repeated?: boolean;
}
type Message = Record<string, unknown>;
interface Codec {
  encode(message: Message): { finish(): Uint8Array };
  decode(bytes: Uint8Array): Message;
}

const messages = table.messages as unknown as Record<string, Field[]>;
const enums = table.enums as unknown as Record<string, Record<string, number>>;
const loaded = loadSync(join(import.meta.dirname, 'runtime.proto'), {
  longs: String,
  enums: Number as never,
  defaults: false,
});
const camel = (name: string): string => name.replace(/_([a-z0-9])/g, (_, c: string) => c.toUpperCase());
const requests = [
  ...new Set(
    Object.values(table.services)
      .flat()
      .flatMap(method => [method.request, method.response]),
  ),
];

/** A message of the type, with some of its fields; none holds its default, since defaults are not on the wire. */
function arbitrary(type: string): fc.Arbitrary<Message> {
  const known = made.get(type);
  if (known !== undefined) return known;
  const record: Record<string, fc.Arbitrary<unknown>> = {};
  for (const field of messages[type] ?? []) {
    const one = value(type, field);
    record[camel(field.name)] = field.repeated === true ? fc.array(one, { minLength: 1, maxLength: 2 }) : one;
  }
  const all = fc.record(record, { requiredKeys: [] });
  made.set(type, all);
  return all;
}

const made = new Map<string, fc.Arbitrary<Message>>();

function value(owner: string, { type }: Field): fc.Arbitrary<unknown> {
  const entry = enums[type] ?? enums[`${owner}.${type}`];
  if (entry !== undefined) return fc.constantFrom(...Object.values(entry).filter(n => n !== 0));
  switch (type) {
    case 'string':
      return fc.string({ minLength: 1, maxLength: 5 });
    case 'bool':
      return fc.constant(true);
    case 'int32':
      return fc.integer({ min: -5, max: 2 ** 31 - 1 }).filter(n => n !== 0);
    case 'uint32':
      return fc.integer({ min: 1, max: 2 ** 32 - 1 });
    case 'int64':
      return fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n).filter(n => n !== 0n);
    case 'uint64':
      return fc.bigInt(1n, 2n ** 64n - 1n);
    case 'double':
      return fc.double({ noNaN: true }).filter(n => n !== 0);
    case 'bytes':
      return fc.uint8Array({ minLength: 1, maxLength: 4 }).map(bytes => Buffer.from(bytes));
    case 'map<string,string>':
      return fc.constant({ k: 'v' });
    default:
      return arbitrary(type);
  }
}

function codecOf(type: string): Codec {
  return (generated as unknown as Record<string, Codec>)[type] as Codec;
}

function loaderOf(type: string): { serialize(message: Message): Buffer; deserialize(bytes: Buffer): Message } {
  return loaded[`runtime.v1.${type}`] as MessageTypeDefinition<Message, Message>;
}

test.each(requests)('%s is on the wire what another reader of runtime.proto makes of it', type => {
  const { serialize, deserialize } = loaderOf(type);
  fc.assert(
    fc.property(arbitrary(type), message => {
      const bytes = Buffer.from(codecOf(type).encode(message).finish());
      expect(Buffer.from(codecOf(type).encode(codecOf(type).decode(bytes)).finish())).toEqual(bytes);
      expect(serialize(deserialize(bytes)).length).toBe(bytes.length);
      expect(
        Buffer.from(
          codecOf(type)
            .encode(codecOf(type).decode(serialize(deserialize(bytes))))
            .finish(),
        ),
      ).toEqual(bytes);
    }),
    { numRuns: 10 },
  );
});
