/** The protobuf document says what the JSON document says, read by the numbers of gnostic's OpenAPIv2.proto. */
import { expect, test } from '@jest/globals';
import { kinds } from '../../../proto/api/kinds.ts';
import { WireReader } from '../rest/protobuf/wire-reader.ts';
import { OpenApi } from './open-api.ts';

type Json = Record<string, unknown>;
type Fields = Readonly<Record<number, (reader: WireReader, into: Json) => void>>;

const text =
  (name: string) =>
  (reader: WireReader, into: Json): void =>
    void (into[name] = reader.text());
const flag =
  (name: string) =>
  (reader: WireReader, into: Json): void =>
    void (into[name] = reader.bool());
const texts =
  (name: string) =>
  (reader: WireReader, into: Json): void =>
    void (into[name] = [...((into[name] as string[] | undefined) ?? []), reader.text()]);
const inner = (name: string, fields: () => Fields) => (reader: WireReader, into: Json) =>
  void (into[name] = message(reader, fields()));
/** `message { repeated Named x = field; }` as an object by name. */
const named = (field: number, value: () => Fields): Fields => ({
  [field]: (reader, into) => {
    const entry = message(reader, { 1: text('name'), 2: inner('value', value) });
    into[entry['name'] as string] = entry['value'];
  },
});

function message(reader: WireReader, fields: Fields): Json {
  const outer = reader.enter();
  const found = fieldsOf(reader, fields);
  reader.leave(outer);
  return found;
}

function fieldsOf(reader: WireReader, fields: Fields): Json {
  const into: Json = {};
  while (reader.next()) (fields[reader.field] ?? (r => r.skip()))(reader, into);
  return into;
}

/** NamedAny whose value is YAML, which ours writes as JSON. */
const extension = (reader: WireReader, into: Json): void => {
  const { name, any } = message(reader, { 1: text('name'), 2: inner('any', () => ({ 2: text('yaml') })) }) as {
    name: string;
    any: { yaml: string };
  };
  into[name] = JSON.parse(any.yaml);
};

const schema = (): Fields => ({
  1: text('$ref'),
  2: text('format'),
  4: text('description'),
  19: texts('required'),
  21: (reader, into) => void (into['additionalProperties'] = message(reader, { 1: inner('x', schema) })['x']),
  22: (reader, into) => void (into['type'] = message(reader, { 1: text('x') })['x']),
  23: (reader, into) => void (into['items'] = message(reader, { 1: inner('x', schema) })['x']),
  25: (reader, into) => void (into['properties'] = message(reader, named(1, schema))),
  31: extension,
});
const bodyParameter = (): Fields => ({
  2: text('name'),
  3: text('in'),
  4: flag('required'),
  5: inner('schema', schema),
});
const pathParameter = {
  1: flag('required'),
  2: text('in'),
  3: text('description'),
  4: text('name'),
  5: text('type'),
  19: flag('uniqueItems'),
};
const queryParameter = {
  2: text('in'),
  3: text('description'),
  4: text('name'),
  6: text('type'),
  20: flag('uniqueItems'),
};
/** ParametersItem > Parameter > body or non-body > query or path. */
const parameter = (reader: WireReader, into: Json): void => {
  const found: Json = {};
  const into1 = (fields: () => Fields) => (r: WireReader) => void Object.assign(found, message(r, fields()));
  const nonBody: Fields = { 3: into1(() => queryParameter), 4: into1(() => pathParameter) };
  const either: Fields = { 1: into1(bodyParameter), 2: r => void message(r, nonBody) };
  message(reader, { 1: r => void message(r, either) });
  into['parameters'] = [...((into['parameters'] as Json[] | undefined) ?? []), found];
};
const answer: Fields = { 1: text('description'), 2: inner('schema', () => ({ 1: inner('x', schema) })) };
const operation = (): Fields => ({
  5: text('operationId'),
  8: parameter,
  9: (reader, into) =>
    void (into['responses'] = message(
      reader,
      named(1, () => ({ 1: inner('response', () => answer) })),
    )),
  13: extension,
});
const pathItem = (): Fields => ({
  2: inner('get', operation),
  3: inner('put', operation),
  4: inner('post', operation),
  5: inner('delete', operation),
  8: inner('patch', operation),
  9: parameter,
});
const document: Fields = {
  1: text('swagger'),
  8: (reader, into) => void (into['paths'] = message(reader, named(2, pathItem))),
  9: (reader, into) => void (into['definitions'] = message(reader, named(1, schema))),
};

const openApi = new OpenApi(kinds, 'v1.36.0');
const asJson = JSON.parse(openApi.openApiV2Json().toString()) as { paths: Record<string, Json>; definitions: Json };
const asProto = fieldsOf(new WireReader(openApi.openApiV2Proto()), document) as {
  paths: Record<string, Json>;
  definitions: Json;
};

test('gnosticDocument() has every definition with all that kubectl reads of it', () => {
  expect(Object.keys(asProto.definitions)).toEqual(Object.keys(asJson.definitions).sort());
  for (const [name, definition] of Object.entries(asProto.definitions))
    expect({ [name]: definition }).toEqual({ [name]: asJson.definitions[name] });
});

test('gnosticDocument() has every path with its operations', () => {
  expect(Object.keys(asProto.paths).sort()).toEqual(Object.keys(asJson.paths).sort());
  for (const [path, item] of Object.entries(asProto.paths)) {
    for (const [method, found] of Object.entries(item)) {
      const expected = (asJson.paths[path] as Json)[method] as Json;
      if (method === 'parameters') expect(found).toEqual(expected);
      else {
        const { operationId, parameters } = expected;
        expect(found).toMatchObject({
          operationId,
          ...((parameters as Json[]).length === 0 ? {} : { parameters }),
          'x-kubernetes-action': expected['x-kubernetes-action'],
          'x-kubernetes-group-version-kind': expected['x-kubernetes-group-version-kind'],
        });
      }
    }
  }
});
