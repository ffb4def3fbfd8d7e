/**
 * The store in memory: the same behaviour as the durable ones, for tests and throw-away clusters.
 *
 * Every version of every key is kept until `compact()`; nothing is compacted by itself.
 */
import { systemClock, type Clock } from '../../../machinery/process/clock.ts';
import { ChangeFeed } from '../change-feed.ts';
import { ExpiryTimer } from '../expiry-timer.ts';
import {
  CompactedError,
  FutureRevisionError,
  KeyExistsError,
  KeyNotFoundError,
  RevisionConflictError,
  StoreUnavailableError,
  type DeleteOptions,
  type DeleteResult,
  type KeyValue,
  type ListOptions,
  type ListResult,
  type ReadOptions,
  type Store,
  type StoreEvent,
  type WatchBatch,
  type WatchOptions,
  type WriteOptions,
} from '../store.ts';

/** One version of a key; without `kv` it is a deletion. */
interface Version {
  readonly key: string;
  readonly revision: number;
  readonly kv: KeyValue | undefined;
  readonly dueMs: number | undefined;
}

export class MemoryStore implements Store {
  private readonly clock: Clock;
  private readonly log: Version[] = [];
  private readonly versions = new Map<string, Version[]>();
  /** Keys of `versions`, sorted. */
  private readonly keys: string[] = [];
  private readonly feed: ChangeFeed;
  private readonly expiry: ExpiryTimer;
  private revision = 1;
  private compacted = 0;
  private closed = false;

  constructor(clock: Clock = systemClock) {
    this.clock = clock;
    this.feed = new ChangeFeed({
      currentRevision: () => this.revision,
      readAfter: (prefix, after, limit) => this.readAfter(prefix, after, limit),
      withPrevious: event => this.withPrevious(event),
    });
    this.expiry = new ExpiryTimer(clock, {
      nextDueMs: () => this.nextDueMs(),
      expire: async nowMs => this.expire(nowMs),
    });
  }

  async create(key: string, value: Uint8Array, options: WriteOptions = {}): Promise<number> {
    this.checkOpen();
    if (this.live(key) !== undefined) throw new KeyExistsError(key);
    return this.put(key, value, this.revision + 1, options);
  }

  async update(key: string, value: Uint8Array, expected: number, options: WriteOptions = {}): Promise<number> {
    this.checkOpen();
    const current = this.expectLive(key, expected);
    return this.put(key, value, current.createRevision, options);
  }

  async delete(key: string, options: DeleteOptions = {}): Promise<DeleteResult> {
    this.checkOpen();
    const previous = this.expectLive(key, options.expectedRevision);
    return { revision: this.append(key, undefined, undefined), previous };
  }

  async get(key: string, options: ReadOptions = {}): Promise<KeyValue | undefined> {
    return this.at(key, this.readable(options.revision));
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListResult> {
    const revision = this.readable(options.revision);
    const limit = options.limit === undefined || options.limit === 0 ? Infinity : options.limit;
    const items: KeyValue[] = [];
    let left = 0;
    for (let i = lowerBound(this.keys, prefix); i < this.keys.length; i++) {
      const key = this.keys[i] as string;
      if (!key.startsWith(prefix)) break;
      if (options.startAfter !== undefined && key <= options.startAfter) continue;
      const kv = this.at(key, revision);
      if (kv === undefined) continue;
      if (items.length < limit) items.push(kv);
      else left++;
    }
    return { items, revision, more: left > 0, ...(options.countRemaining === true ? { remaining: left } : {}) };
  }

  watch(prefix: string, after: number, signal: AbortSignal, options?: WatchOptions): AsyncIterable<WatchBatch> {
    this.checkOpen();
    return this.feed.watch(prefix, after, signal, options);
  }

  async compact(revision: number): Promise<void> {
    this.checkOpen();
    if (revision > this.revision) throw new FutureRevisionError(revision, this.revision);
    if (revision <= this.compacted) return;
    this.compacted = revision;
    for (const [key, versions] of this.versions) {
      // What is visible at `revision` stays, unless it is a deletion.
      let first = versions.findLastIndex(v => v.revision <= revision);
      if (first < 0) continue;
      if (versions[first]?.kv === undefined) first++;
      versions.splice(0, first);
      if (versions.length > 0) continue;
      this.versions.delete(key);
      this.keys.splice(lowerBound(this.keys, key), 1);
    }
    this.log.splice(0, this.logIndexAfter(revision));
  }

  async currentRevision(): Promise<number> {
    this.checkOpen();
    return this.revision;
  }

  async close(): Promise<void> {
    this.closed = true;
    this.expiry.stop();
    this.feed.close();
  }

  private put(key: string, value: Uint8Array, createRevision: number, options: WriteOptions): number {
    const kv = { key, value: Buffer.from(value), revision: this.revision + 1, createRevision };
    const dueMs = options.ttlSeconds === undefined ? undefined : this.clock.now() + options.ttlSeconds * 1000;
    const revision = this.append(key, kv, dueMs);
    if (dueMs !== undefined) this.expiry.noticed(dueMs);
    return revision;
  }

  private append(key: string, kv: KeyValue | undefined, dueMs: number | undefined): number {
    const version = { key, revision: ++this.revision, kv, dueMs };
    const versions = this.versions.get(key);
    if (versions !== undefined) versions.push(version);
    else {
      this.versions.set(key, [version]);
      this.keys.splice(lowerBound(this.keys, key), 0, key);
    }
    this.log.push(version);
    this.feed.publish([eventOf(version)], this.revision);
    return version.revision;
  }

  private live(key: string): KeyValue | undefined {
    return this.versions.get(key)?.at(-1)?.kv;
  }

  private expectLive(key: string, expected: number | undefined): KeyValue {
    const current = this.live(key);
    if (current === undefined) throw new KeyNotFoundError(key);
    if (expected !== undefined && current.revision !== expected) {
      throw new RevisionConflictError(key, expected, current);
    }
    return current;
  }

  private at(key: string, revision: number): KeyValue | undefined {
    return this.versions.get(key)?.findLast(v => v.revision <= revision)?.kv;
  }

  private readable(revision: number | undefined): number {
    this.checkOpen();
    if (revision === undefined) return this.revision;
    if (revision < this.compacted) throw new CompactedError(revision, this.compacted);
    if (revision > this.revision) throw new FutureRevisionError(revision, this.revision);
    return revision;
  }

  private readAfter(prefix: string, after: number, limit: number): WatchBatch {
    if (after < this.compacted) throw new CompactedError(after, this.compacted);
    const events: StoreEvent[] = [];
    for (let i = this.logIndexAfter(after); i < this.log.length; i++) {
      const version = this.log[i] as Version;
      if (events.length >= limit) return { events, revision: version.revision - 1 };
      if (version.key.startsWith(prefix)) events.push(eventOf(version));
    }
    return { events, revision: this.revision };
  }

  private withPrevious(event: StoreEvent): StoreEvent {
    const previous = event.revision - 1 < this.compacted ? undefined : this.at(event.key, event.revision - 1);
    return previous === undefined ? event : { ...event, previous };
  }

  private logIndexAfter(revision: number): number {
    let low = 0;
    let high = this.log.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.log[middle] as Version).revision <= revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private nextDueMs(): number | undefined {
    let next: number | undefined;
    for (const versions of this.versions.values()) {
      const dueMs = versions.at(-1)?.dueMs;
      if (dueMs !== undefined && (next === undefined || dueMs < next)) next = dueMs;
    }
    return next;
  }

  private expire(nowMs: number): void {
    if (this.closed) return;
    for (const [key, versions] of [...this.versions]) {
      const dueMs = versions.at(-1)?.dueMs;
      if (dueMs !== undefined && dueMs <= nowMs) this.append(key, undefined, undefined);
    }
  }

  private checkOpen(): void {
    if (this.closed) throw new StoreUnavailableError('closed', 'the store is closed');
  }
}

function eventOf(version: Version): StoreEvent {
  const { key, revision, kv } = version;
  return kv === undefined ? { type: 'delete', key, revision } : { type: 'put', key, revision, kv };
}

/** Index of the first key that is not less than `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
