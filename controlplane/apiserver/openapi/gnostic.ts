/**
 * The OpenAPI v2 document in the protobuf form that kubectl asks for
 * (`application/com.github.proto-openapi.spec.v2@v1.0+protobuf`). Field numbers are those of gnostic's OpenAPIv2.proto.
 */
import type { KindInfo } from '../../../proto/api/kinds.ts';
import { TITLE } from './document-v2.ts';
import type { JsonSchema } from './json-schema.ts';
import { kindDefinitions } from './kind-definitions.ts';
import { pathsOf, type Operation, type Parameter } from './paths.ts';
import { ProtoWriter } from './proto-writer.ts';

const METHOD_FIELDS = { get: 2, put: 3, post: 4, delete: 5, patch: 8 } as const;

export function gnosticDocument(kinds: readonly KindInfo[], version: string): Buffer {
  const document = new ProtoWriter();
  document.text(1, '2.0').message(2, info => info.text(1, TITLE).text(2, version));
  document.message(8, paths => {
    for (const kind of kinds) {
      for (const { path, parameters, operations } of pathsOf(kind)) {
        paths.message(2, named =>
          named.text(1, path).message(2, item => {
            for (const operation of operations)
              item.message(METHOD_FIELDS[operation.method], writer => writeOperation(writer, operation));
            for (const parameter of parameters) item.message(9, writer => writeParameter(writer, parameter));
          }),
        );
      }
    }
  });
  const definitions = [...kindDefinitions(kinds, 'v2').all].sort(([a], [b]) => (a < b ? -1 : 1));
  document.message(9, writer => {
    for (const [name, schema] of definitions) writeNamedSchema(writer, name, schema);
  });
  return document.finish();
}

function writeOperation(writer: ProtoWriter, operation: Operation): void {
  const { action, operationId, group, version, kind, parameters, body, answer } = operation;
  writer.text(5, operationId).texts(6, ['application/json']).texts(7, ['*/*']);
  if (body !== undefined) {
    writer.message(8, item =>
      item.message(1, parameter =>
        parameter.message(1, b =>
          b
            .text(2, 'body')
            .text(3, 'body')
            .flag(4, true)
            .message(5, schema => schema.text(1, `#/definitions/${body}`)),
        ),
      ),
    );
  }
  for (const parameter of parameters) writer.message(8, item => writeParameter(item, parameter));
  writer.message(9, responses =>
    responses.message(1, named =>
      named.text(1, '200').message(2, value =>
        value.message(1, response => {
          response.text(1, 'OK');
          if (answer !== undefined)
            response.message(2, item => item.message(1, schema => schema.text(1, `#/definitions/${answer}`)));
        }),
      ),
    ),
  );
  writer.texts(10, ['https']);
  writeExtension(writer, 13, 'x-kubernetes-action', action);
  writeExtension(writer, 13, 'x-kubernetes-group-version-kind', { group, kind, version });
}

/** A ParametersItem. */
function writeParameter(writer: ProtoWriter, { name, in: where, type, description }: Parameter): void {
  writer.message(1, parameter =>
    parameter.message(2, nonBody => {
      if (where === 'path')
        nonBody.message(4, p =>
          p.flag(1, true).text(2, where).text(3, description).text(4, name).text(5, type).flag(19, true),
        );
      else nonBody.message(3, q => q.text(2, where).text(3, description).text(4, name).text(6, type).flag(20, true));
    }),
  );
}

function writeNamedSchema(writer: ProtoWriter, name: string, schema: JsonSchema): void {
  writer.message(1, named => named.text(1, name).message(2, value => writeSchema(value, schema)));
}

function writeSchema(writer: ProtoWriter, schema: JsonSchema): void {
  writer.text(1, schema.$ref).text(2, schema.format).text(4, schema.description).texts(19, schema.required);
  const { additionalProperties, items, properties, type } = schema;
  if (additionalProperties !== undefined)
    writer.message(21, item => item.message(1, value => writeSchema(value, additionalProperties)));
  if (type !== undefined) writer.message(22, item => item.texts(1, [type]));
  if (items !== undefined) writer.message(23, item => item.message(1, value => writeSchema(value, items)));
  if (properties !== undefined) {
    writer.message(25, all => {
      for (const [name, property] of Object.entries(properties)) writeNamedSchema(all, name, property);
    });
  }
  for (const [name, value] of Object.entries(schema))
    if (name.startsWith('x-')) writeExtension(writer, 31, name, value);
}

/** A NamedAny; its value is YAML, and JSON is YAML. */
function writeExtension(writer: ProtoWriter, field: number, name: string, value: unknown): void {
  writer.message(field, named => named.text(1, name).message(2, any => any.text(2, `${JSON.stringify(value)}\n`)));
}
