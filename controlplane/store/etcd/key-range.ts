/** Keys on the wire, and the ranges of etcd that prefixes are. */
import type { Decoded } from '../../../proto/decoded.ts';
import type { KeyValue as WireKeyValue } from '../../../proto/etcd/rpc.gen.ts';
import type { KeyValue } from '../store.ts';

/** All keys that begin with `prefix` (not empty). */
export function prefixRange(prefix: string): { key: Buffer; rangeEnd: Buffer } {
  return { key: Buffer.from(prefix), rangeEnd: endOf(prefix) };
}

/** Those of them that sort after `startAfter`. */
export function prefixRangeAfter(prefix: string, startAfter: string | undefined): { key: Buffer; rangeEnd: Buffer } {
  const all = prefixRange(prefix);
  if (startAfter === undefined) return all;
  const next = Buffer.from(`${startAfter}\0`);
  return { key: Buffer.compare(next, all.key) > 0 ? next : all.key, rangeEnd: all.rangeEnd };
}

/** The first key after all that begin with `prefix`: its last byte, which no UTF-8 text has as 0xff, raised by one. */
function endOf(prefix: string): Buffer {
  const end = Buffer.from(prefix);
  end[end.length - 1] = (end.at(-1) ?? 0) + 1;
  return end;
}

export function toKeyValue(kv: Decoded<WireKeyValue>): KeyValue {
  return { key: kv.key.toString(), value: kv.value, revision: kv.modRevision, createRevision: kv.createRevision };
}
