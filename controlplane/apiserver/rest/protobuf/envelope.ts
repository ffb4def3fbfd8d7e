/**
 * What every protobuf body is wrapped in: the four bytes `k8s\0`, then a runtime.Unknown that names the type and holds the message.
 * Source: kubernetes.io/docs, "Kubernetes API Concepts", protobuf encoding.
 */
import { ProtobufError } from './protobuf-error.ts';
import { WireReader } from './wire-reader.ts';
import type { WireWriter } from './wire-writer.ts';

const MAGIC = Buffer.from('k8s\0');
/** What stands behind the message: contentEncoding and contentType, both empty. */
export const ENVELOPE_END = Buffer.from([0x1a, 0, 0x22, 0]);

/** What stands inside an envelope. */
export interface Envelope {
  readonly apiVersion: string;
  readonly kind: string;
  readonly raw: Buffer;
}

/** @throws ProtobufError */
export function readEnvelope(body: Buffer): Envelope {
  if (body.length === 0) throw new ProtobufError('empty data');
  if (!body.subarray(0, 4).equals(MAGIC))
    throw new ProtobufError('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]');
  if (body.length === 4) throw new ProtobufError('empty body');
  let apiVersion = '';
  let kind = '';
  let raw: Buffer = body.subarray(0, 0);
  const reader = new WireReader(body.subarray(4));
  while (reader.next()) {
    if (reader.field === 2) raw = reader.slice();
    else if (reader.field !== 1) reader.skip();
    else {
      const outer = reader.enter();
      while (reader.next()) {
        if (reader.field === 1) apiVersion = reader.text();
        else if (reader.field === 2) kind = reader.text();
        else reader.skip();
      }
      reader.leave(outer);
    }
  }
  return { apiVersion, kind, raw };
}

/** Writes what stands before a message of `length` bytes. */
export function writeEnvelopeHead(writer: WireWriter, apiVersion: string, kind: string, length: number): void {
  writer.varint(length);
  writer.tag(2, 2);
  writer.inside(1, () => {
    writer.text(kind);
    writer.tag(2, 2);
    writer.text(apiVersion);
    writer.tag(1, 2);
  });
  writer.raw(MAGIC);
}
