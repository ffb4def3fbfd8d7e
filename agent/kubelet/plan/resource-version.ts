/** Which of two states of an object is the later one: since 1.35 resource versions may be compared as numbers. */
import type { ObjectMeta } from '../../../proto/api/meta-v1.ts';

interface Versioned {
  readonly metadata: Pick<ObjectMeta, 'resourceVersion' | 'uid'>;
}

/** Whether `a` is later than `b`. Objects of the same name but another UID are not compared. */
export function isNewerVersion(a: Versioned, b: Versioned): boolean {
  if (a.metadata.uid !== b.metadata.uid) return false;
  return isLater(a.metadata.resourceVersion ?? '0', b.metadata.resourceVersion ?? '0');
}

/** Whether version `a` is later than version `b`. */
export function isLater(a: string, b: string): boolean {
  return a.length === b.length ? a > b : a.length > b.length;
}
