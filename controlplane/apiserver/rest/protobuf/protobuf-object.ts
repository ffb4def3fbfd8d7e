/**
 * A protobuf body as the object it holds.
 */
import { badRequest } from '../../../../machinery/meta/status-error.ts';
import { decodeMessage, readEnvelope } from './decode-protobuf.ts';
import { Layouts } from './layout.ts';
import { ProtobufError } from './protobuf-error.ts';

const layouts = new Layouts();

/** @throws StatusError BadRequest */
export function protobufObject(body: Buffer, packageKey: string, kind: string): Record<string, unknown> {
  try {
    const envelope = readEnvelope(body);
    if (envelope.kind !== '' && envelope.kind !== kind) return { apiVersion: envelope.apiVersion, kind: envelope.kind };
    const object = decodeMessage(layouts, packageKey, kind, envelope.raw);
    if (envelope.apiVersion !== '') object['apiVersion'] = envelope.apiVersion;
    if (envelope.kind !== '') object['kind'] = envelope.kind;
    return object;
  } catch (error) {
    if (error instanceof ProtobufError || error instanceof RangeError)
      throw badRequest(`the object provided is unrecognized: ${error.message}`);
    throw error;
  }
}
