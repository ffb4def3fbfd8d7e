/**
 * One watch: what it selects, and a bounded queue between the cache and whoever reads.
 *
 * - Events come in revision order, each at most once; initial state first.
 * - A reader that lets the queue overflow is cut: it costs references to `QUEUE_LIMIT` events or `QUEUE_BYTES` of objects, never copies.
 */
import { ObjectEvent, type BookmarkEvent, type CacheEvent } from './cache-event.ts';
import type { CachedObject } from './cached-object.ts';
import type { KubeObject, Watch, WatchEvent } from './storage.ts';

const QUEUE_LIMIT = 4096;
/** Watches of one resource share their events, so slow ones together keep about this much alive, not each of them. */
const QUEUE_BYTES = 8 * 1024 * 1024;
const INITIAL_BATCH = 200;

export interface WatcherScope<T extends KubeObject> {
  /** Whether a key is watched at all. */
  readonly matchesKey: (key: string) => boolean;
  readonly predicate: ((object: T) => boolean) | undefined;
}

export class Watcher<T extends KubeObject> implements Watch<T> {
  readonly wantsBookmarks: boolean;
  private readonly scope: WatcherScope<T>;
  /** What is older belongs to the state that the watch began with. A revision may hold several changes (keys that expire together). */
  private readonly afterRevision: number;
  /** Revision up to which everything has been offered or told by a bookmark. */
  private revision: number;
  private initial: readonly CachedObject<T>[] = [];
  private initialEnd: BookmarkEvent<T> | undefined;
  private queue: WatchEvent<T>[] = [];
  private queuedBytes = 0;
  private ended = false;
  private wake: () => void = () => {};
  /** Called once when the watch ends, for whatever reason. */
  onEnd: () => void = () => {};

  /** @param afterRevision the first event it may see comes after this */
  constructor(scope: WatcherScope<T>, afterRevision: number, wantsBookmarks: boolean) {
    this.scope = scope;
    this.afterRevision = afterRevision;
    this.revision = afterRevision;
    this.wantsBookmarks = wantsBookmarks;
  }

  /** State to send before any event, and the bookmark that ends it. */
  startWith(objects: readonly CachedObject<T>[], end: BookmarkEvent<T> | undefined): void {
    this.initial = objects;
    this.initialEnd = end;
  }

  offer(event: CacheEvent<T>): void {
    if (this.ended || event.revision <= this.afterRevision || !this.scope.matchesKey(event.key)) return;
    const seen = event.seenThrough(this.scope.predicate);
    if (seen === undefined) return;
    this.revision = event.revision;
    this.enqueue(seen, seen.stored.bytes.length);
  }

  /** Nothing up to the bookmark's revision is missing. Skipped where it says nothing new. */
  offerBookmark(bookmark: BookmarkEvent<T>, revision: number): void {
    if (!this.wantsBookmarks || this.ended || revision <= this.revision || this.initial.length > 0) return;
    this.revision = revision;
    this.enqueue(bookmark, 0);
  }

  /** Ends the watch; what is queued is dropped. */
  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.onEnd();
    this.initial = [];
    this.initialEnd = undefined;
    this.queue = [];
    this.wake();
  }

  /**
   * To be read once. By hand rather than as a generator: with thousands of watches, its promises are most of what an event costs.
   */
  [Symbol.asyncIterator](): AsyncIterator<readonly WatchEvent<T>[], void, undefined> {
    return {
      next: () => new Promise(resolve => this.deliver(resolve)),
      return: () => {
        this.end();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }

  /** Gives what there is, or what comes next. */
  private deliver(resolve: (result: IteratorResult<readonly WatchEvent<T>[], void>) => void): void {
    const batch = this.take();
    if (batch.length > 0) return resolve({ done: false, value: batch });
    if (this.ended) return resolve({ done: true, value: undefined });
    this.wake = () => {
      this.wake = () => {};
      // Events that were committed together come in one turn: they leave as one batch.
      queueMicrotask(() => this.deliver(resolve));
    };
  }

  private enqueue(event: WatchEvent<T>, bytes: number): void {
    this.queue.push(event);
    this.queuedBytes += bytes;
    // One event is always let through, however large.
    if (this.queue.length > QUEUE_LIMIT || (this.queuedBytes > QUEUE_BYTES && this.queue.length > 1)) this.end();
    else this.wake();
  }

  private take(): readonly WatchEvent<T>[] {
    if (this.initial.length > 0) {
      const objects = this.initial.slice(0, INITIAL_BATCH);
      this.initial = this.initial.slice(INITIAL_BATCH);
      return objects.map(object => new ObjectEvent('ADDED', object));
    }
    if (this.initialEnd !== undefined) {
      const end = this.initialEnd;
      this.initialEnd = undefined;
      return [end];
    }
    const events = this.queue;
    this.queue = [];
    this.queuedBytes = 0;
    return events;
  }
}
