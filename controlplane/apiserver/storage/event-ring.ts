/**
 * The newest changes of one resource, bounded by number and bytes: where watches resume, and what takes a list back
 * to an earlier revision.
 */
import type { CacheEvent } from './cache-event.ts';
import type { CachedObject } from './cached-object.ts';
import type { KubeObject } from './storage.ts';

const MAX_EVENTS = 2048;
const MAX_BYTES = 4 * 1024 * 1024;
/** Kept whatever their size, so that large objects can be watched too. */
const MIN_EVENTS = 64;

export class EventRing<T extends KubeObject> {
  private events: CacheEvent<T>[] = [];
  private first = 0;
  private bytes = 0;
  /** Every change after this revision is here. */
  startRevision: number;

  constructor(startRevision: number) {
    this.startRevision = startRevision;
  }

  push(event: CacheEvent<T>): void {
    this.events.push(event);
    this.bytes += sizeOf(event);
    for (;;) {
      const count = this.events.length - this.first;
      const isWithin = count <= MIN_EVENTS || (count <= MAX_EVENTS && this.bytes <= MAX_BYTES);
      // A revision goes as a whole.
      if (isWithin && this.events[this.first]?.revision !== this.startRevision) break;
      const oldest = this.events[this.first++] as CacheEvent<T>;
      this.bytes -= sizeOf(oldest);
      this.startRevision = oldest.revision;
    }
    if (this.first < MAX_EVENTS) return;
    this.events = this.events.slice(this.first);
    this.first = 0;
  }

  /** Changes after `revision` (which is at least `startRevision`), oldest first. */
  after(revision: number): CacheEvent<T>[] {
    let low = this.first;
    let high = this.events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.events[middle] as CacheEvent<T>).revision <= revision) low = middle + 1;
      else high = middle;
    }
    return this.events.slice(low);
  }

  /** For every key that changed after `revision`: what it was then; undefined if it was not there. */
  stateBefore(revision: number): Map<string, CachedObject<T> | undefined> {
    const state = new Map<string, CachedObject<T> | undefined>();
    for (const event of this.after(revision)) if (!state.has(event.key)) state.set(event.key, event.previous);
    return state;
  }
}

/** What forgetting the event may free: its older state. */
function sizeOf(event: CacheEvent): number {
  return 200 + (event.previous?.bytes.length ?? 0);
}
