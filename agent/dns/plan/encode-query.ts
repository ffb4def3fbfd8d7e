/** Queries of our own: to other servers, and to ourselves when the node starts. */
import { HEADER_BYTES, optRecord } from './decode-query.ts';
import type { Query } from './decode-query.ts';

const RECURSION_DESIRED = 0x0100;
const CHECKING_DISABLED = 0x0010;
const TYPES = { A: 1, HINFO: 13, AAAA: 28 } as const;

/** A question for `name`, recursion desired. @throws RangeError if `name` cannot be a name */
export function encodeQuery(id: number, name: string, type: keyof typeof TYPES): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(RECURSION_DESIRED, 2);
  header.writeUInt16BE(1, 4);
  return Buffer.concat([header, nameBytes(name), Buffer.from([0, TYPES[type], 0, 1])]);
}

/** A client's question, to be asked elsewhere. */
export function encodeForward(id: number, query: Query): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(RECURSION_DESIRED | (query.checkingDisabled ? CHECKING_DISABLED : 0), 2);
  header.writeUInt16BE(1, 4);
  if (query.edns === undefined) return Buffer.concat([header, query.question]);
  header.writeUInt16BE(1, 10);
  return Buffer.concat([header, query.question, optRecord(query.edns.dnssecOk)]);
}

/** The same query for another name: what an alias leads to. @throws RangeError if `name` cannot be a name */
export function retarget(query: Query, name: string): Query {
  const typeAndClass = query.question.subarray(query.question.length - 4);
  return { ...query, name, question: Buffer.concat([nameBytes(name), typeAndClass]) };
}

function nameBytes(name: string): Buffer {
  const labels = name === '' ? [] : name.split('.').map(label => Buffer.from(label, 'latin1'));
  const length = labels.reduce((sum, label) => sum + 1 + label.length, 1);
  if (length > 255 || labels.some(label => label.length === 0 || label.length > 63))
    throw new RangeError(`${JSON.stringify(name)} is no DNS name`);
  return Buffer.concat([...labels.flatMap(label => [Buffer.from([label.length]), label]), Buffer.from([0])]);
}
