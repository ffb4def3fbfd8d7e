/**
 * A checksum for each row: SQLite notices a page whose structure is damaged, but not a changed byte of a key or a value.
 *
 * Whatever reads the file sees that something changed; whoever writes it by other means than the store has to write the sums too.
 */
import { crc32 } from 'node:zlib';

/** @returns 32 bits; a function of SQL, so with its parameters one by one */
export function rowSum(
  revision: number,
  key: string,
  previous: number,
  created: number,
  deleted: number,
  due: number | null,
  value: Uint8Array | null,
): number {
  const head = crc32(`${revision} ${previous} ${created} ${deleted} ${due ?? '-'} ${key}`);
  return value === null ? head : crc32(value, head);
}

export function metaSum(name: string, value: number): number {
  return crc32(`${name} ${value}`);
}
