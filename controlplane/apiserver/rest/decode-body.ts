/**
 * Reads a request's body as a kind: parsed once, checked against the schema, told what is unknown or double. The result is fresh.
 */
import { isUtf8 } from 'node:buffer';
import type { AnyObject } from '../../../machinery/client/resource.ts';
import { CodecError, parseJson, parseJsonStrict, parseYaml, type Parsed } from '../../../machinery/meta/codec.ts';
import { checkObject, DecodeError, type DecodeForm } from '../../../machinery/meta/decode.ts';
import { deepCopy, isJsonObject } from '../../../machinery/meta/json-value.ts';
import type { Schema } from '../../../machinery/meta/schema.ts';
import { badRequest, unsupportedMediaType } from '../../../machinery/meta/status-error.ts';
import type { Exchange } from '../server/exchange.ts';
import { header } from '../server/request.ts';
import { PROTOBUF } from './negotiate.ts';
import { protobufObject } from './protobuf/protobuf-object.ts';

export type FieldValidation = 'Ignore' | 'Warn' | 'Strict';

/** What the body must be. */
export interface ExpectedKind {
  readonly apiVersion: string;
  readonly kind: string;
  readonly schema: Schema;
  /** Where the schema table keeps the type; without it no protobuf is taken. */
  readonly typePackage?: string | undefined;
}

const ACCEPTED = ['application/json', 'application/yaml', PROTOBUF];

/**
 * The body as an object of the expected kind, with apiVersion, kind and metadata filled in.
 * @throws StatusError BadRequest, UnsupportedMediaType, RequestEntityTooLarge
 */
export async function decodeObject(
  exchange: Exchange,
  expected: ExpectedKind,
  validation: FieldValidation,
): Promise<AnyObject> {
  const { body } = exchange.request;
  if (body.kind === 'object') return settle(deepCopy(body.object), expected);
  if (mediaType(exchange) === PROTOBUF && expected.typePackage !== undefined) {
    const value = protobufObject(
      body.kind === 'none' ? Buffer.alloc(0) : await body.read(),
      expected.typePackage,
      expected.kind,
    );
    return checked(exchange, { value, duplicateFields: [] }, expected, validation);
  }
  const parsed = await parseBody(exchange, validation !== 'Ignore', mediaType(exchange), expected.kind);
  return checked(exchange, parsed, expected, validation);
}

/** How an object is checked, when not as one that came in a body. */
interface CheckOptions {
  readonly form?: DecodeForm;
  /** Throws for an object that does not fit. */
  readonly refuse?: (problem: string) => never;
}

function refusal({ kind, apiVersion }: ExpectedKind): (problem: string) => never {
  const version = apiVersion.slice(apiVersion.indexOf('/') + 1);
  return problem => {
    throw badRequest(`${kind} in version ${JSON.stringify(version)} cannot be handled as a ${kind}: ${problem}`);
  };
}

/** Checks an object that a patch made, as if it had come in a body. */
export function checked(
  exchange: Exchange,
  parsed: Parsed,
  expected: ExpectedKind,
  validation: FieldValidation,
  { form = 'stored', refuse = refusal(expected) }: CheckOptions = {},
): AnyObject {
  const { schema } = expected;
  const object = settle(parsed.value, expected);
  try {
    const { value, unknownFields } = checkObject(schema, object, form);
    const problems = [
      ...unknownFields.map(path => `unknown field ${JSON.stringify(path)}`),
      ...parsed.duplicateFields.map(path => `duplicate field ${JSON.stringify(path)}`),
    ];
    if (problems.length > 0 && validation === 'Strict') refuse(`strict decoding error: ${problems.join(', ')}`);
    if (validation === 'Warn') for (const problem of problems) exchange.warn(problem);
    return value as AnyObject;
  } catch (error) {
    if (error instanceof DecodeError) return refuse(error.message);
    throw error;
  }
}

/**
 * The body as JSON values, read as `type`.
 * @param kind what it must be; without one an empty body is undefined
 */
export async function parseBody(
  exchange: Exchange,
  duplicates: boolean,
  type = mediaType(exchange),
  kind = '',
): Promise<Parsed> {
  const { body } = exchange.request;
  if (body.kind === 'object') return { value: deepCopy(body.object), duplicateFields: [] };
  const isYaml = type === 'application/yaml';
  const refused = isYaml || type === 'application/json' || type === '' ? undefined : unsupportedMediaType(ACCEPTED);
  if (refused !== undefined && kind !== '') throw refused;
  const bytes = body.kind === 'none' ? Buffer.alloc(0) : await body.read();
  if (bytes.length === 0) {
    if (kind !== '') throw unrecognized(kind, 'json parse error: unexpected end of JSON input (<empty>)');
    return { value: undefined, duplicateFields: [] };
  }
  if (refused !== undefined) throw refused;
  try {
    if (isYaml) {
      if (!isUtf8(bytes)) throw new CodecError('yaml: invalid leading UTF-8 octet');
      return await parseYaml(bytes.toString());
    }
    return duplicates ? parseJsonStrict(bytes.toString()) : { value: parseJson(bytes.toString()), duplicateFields: [] };
  } catch (error) {
    if (error instanceof CodecError) throw unrecognized(kind, error.message);
    throw error;
  }
}

/** An optional body (DeleteOptions, Eviction), in any of the content types; undefined when there is none. */
export async function parseOptional(exchange: Exchange, typePackage: string, kind: string): Promise<unknown> {
  const { body } = exchange.request;
  if (body.kind !== 'bytes' || mediaType(exchange) !== PROTOBUF) return (await parseBody(exchange, false)).value;
  const bytes = await body.read();
  if (bytes.length === 0) return undefined;
  return protobufObject(bytes, typePackage, kind);
}

/** The Content-Type without its parameters, lower case. */
export function mediaType({ request }: Exchange): string {
  return (header(request, 'content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

function unrecognized(kind: string, why: string): Error {
  const must = kind === '' ? '' : ` (must be of type ${kind})`;
  return badRequest(`the object provided is unrecognized${must}: couldn't get version/kind; ${why}`);
}

function settle(value: unknown, { apiVersion, kind }: ExpectedKind): AnyObject {
  if (!isJsonObject(value)) throw unrecognized(kind, 'it is no JSON object');
  const object = value as unknown as AnyObject;
  if (object.apiVersion !== undefined && object.apiVersion !== '' && object.apiVersion !== apiVersion) {
    throw badRequest(
      `${object.kind ?? kind} in version ${JSON.stringify(object.apiVersion)} cannot be handled as a ${kind}: the API version in the data (${object.apiVersion}) does not match the expected API version (${apiVersion})`,
    );
  }
  if (object.kind !== undefined && object.kind !== '' && object.kind !== kind) {
    throw badRequest(`${object.kind} in version ${JSON.stringify(apiVersion)} cannot be handled as a ${kind}`);
  }
  object.apiVersion = apiVersion;
  object.kind = kind;
  object.metadata ??= {};
  return object;
}
