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
const SUMMARY_BYTES = 30;
const OPENING_BRACE = 0x7b;

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
    const what = `the object provided is unrecognized (must be of type ${kind})`;
    throw badRequest(`${what}: ${error.message} (${summaryOf(body)})`);
  }
}

/** The first bytes of what could not be read, as upstream shows them. */
function summaryOf(body: Buffer): string {
  if (body.length === 0) return '<empty>';
  const shown = body.subarray(0, SUMMARY_BYTES).toString(body[0] === OPENING_BRACE ? 'utf8' : 'hex');
  return body.length > SUMMARY_BYTES ? `${shown} ...` : shown;
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
