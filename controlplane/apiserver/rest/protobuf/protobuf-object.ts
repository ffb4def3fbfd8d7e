/**
 * Protobuf bodies as the objects they hold, and objects as protobuf bodies.
 */
import { isJsonObject } from '../../../../machinery/meta/json-value.ts';
import { badRequest } from '../../../../machinery/meta/status-error.ts';
import { ENVELOPE_END, readEnvelope, writeEnvelopeHead } from './envelope.ts';
import { layoutOf } from './layout.ts';
import { ProtobufError } from './protobuf-error.ts';
import { messageReader } from './read-message.ts';
import { typePackageOf } from './type-packages.ts';
import { WireReader } from './wire-reader.ts';
import { WireWriter } from './wire-writer.ts';
import { messageWriter } from './write-message.ts';

const writer = new WireWriter();

/**
 * The object in `body`; apiVersion and kind alone when it is of another kind, which is for the caller to refuse.
 *
 * @throws StatusError BadRequest
 */
export function protobufObject(body: Buffer, packageKey: string, kind: string): Record<string, unknown> {
  try {
    const envelope = readEnvelope(body);
    const object: Record<string, unknown> = {};
    if (envelope.apiVersion !== '') object['apiVersion'] = envelope.apiVersion;
    if (envelope.kind !== '') object['kind'] = envelope.kind;
    if (envelope.kind === '' || envelope.kind === kind)
      messageReader(layoutOf(packageKey, kind))(new WireReader(envelope.raw), object);
    return object;
  } catch (error) {
    if (!(error instanceof ProtobufError)) throw error;
    throw badRequest(`the object provided is unrecognized (must be of type ${kind}): ${error.message}`);
  }
}

/** A built-in object as a body, its type found by its apiVersion and kind; undefined where the schema table has none. */
export function protobufBody(object: unknown): Buffer | undefined {
  if (!isJsonObject(object)) return undefined;
  const { apiVersion = 'v1', kind = '' } = object as { apiVersion?: string; kind?: string };
  const packageKey = typePackageOf(apiVersion, kind);
  if (packageKey === undefined) return undefined;
  writer.raw(ENVELOPE_END);
  const mark = writer.written;
  messageWriter(layoutOf(packageKey, kind))(writer, object);
  writeEnvelopeHead(writer, apiVersion, kind, writer.written - mark);
  return writer.take();
}
