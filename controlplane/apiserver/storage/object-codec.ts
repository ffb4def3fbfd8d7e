/**
 * Stored bytes: JSON that begins with kind, apiVersion and metadata, without resourceVersion, which is the write's revision
 * and so known only once it is written. It is spliced into the bytes when they are read: nothing is parsed for that.
 */
import { tooLarge } from '../../../machinery/meta/status-error.ts';
import type { KubeObject, ResourceConfig } from './storage.ts';

const METADATA = '"metadata":{';
/** The only shape whose first `"metadata":{` is surely the object's own. */
const LAYOUT = /^\{"kind":"[^"\\]*","apiVersion":"[^"\\]*","metadata":\{$/;
const CLOSING_BRACE = 0x7d;
const COMMA = 0x2c;

/** An object may not become larger than a request may be, however many patches make it grow. */
const MAX_OBJECT_BYTES = 3 * 1024 * 1024;

/** The bytes to store. @throws StatusError RequestEntityTooLarge */
export function encodeObject(object: KubeObject, config: ResourceConfig): Buffer {
  const { kind = config.kind, apiVersion = config.apiVersion, metadata = {}, ...rest } = object;
  const { resourceVersion: _revision, selfLink: _link, ...kept } = metadata;
  const bytes = Buffer.from(JSON.stringify({ kind, apiVersion, metadata: kept, ...rest }));
  if (bytes.length > MAX_OBJECT_BYTES)
    throw tooLarge(`the object would have ${bytes.length} bytes, limit is ${MAX_OBJECT_BYTES}`);
  return bytes;
}

/** Stored bytes with the resourceVersion in them: what goes over the wire. */
export function withResourceVersion(stored: Buffer, revision: number): Buffer {
  const at = stored.indexOf(METADATA) + METADATA.length;
  if (at > 600 || !LAYOUT.test(stored.toString('latin1', 0, at)))
    return withResourceVersion(normalise(stored), revision);
  const field = `"resourceVersion":"${revision}"`;
  const comma = stored[at] === CLOSING_BRACE ? 0 : 1;
  const out = Buffer.allocUnsafeSlow(stored.length + field.length + comma);
  stored.copy(out, 0, 0, at);
  out.write(field, at, 'latin1');
  if (comma === 1) out[at + field.length] = COMMA;
  stored.copy(out, at + field.length + comma, at);
  return out;
}

/** Wire bytes at revision `from`, made by `withResourceVersion()`, as wire bytes at revision `to`. */
export function changeResourceVersion(bytes: Buffer, from: number, to: number): Buffer {
  const at = bytes.indexOf(METADATA) + METADATA.length;
  const oldField = `"resourceVersion":"${from}"`;
  const newField = `"resourceVersion":"${to}"`;
  return Buffer.concat([bytes.subarray(0, at), Buffer.from(newField), bytes.subarray(at + oldField.length)]);
}

/** Bytes that someone else wrote into the store, in our order. */
function normalise(stored: Buffer): Buffer {
  const object = JSON.parse(stored.toString()) as KubeObject;
  const { kind = '', apiVersion = '', metadata = {}, ...rest } = object;
  const { resourceVersion: _revision, ...kept } = metadata;
  const safe = (text: string): string => text.replace(/["\\]/g, '');
  return Buffer.from(JSON.stringify({ kind: safe(kind), apiVersion: safe(apiVersion), metadata: kept, ...rest }));
}
