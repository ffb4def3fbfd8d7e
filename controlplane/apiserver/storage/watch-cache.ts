/**
 * All objects of one resource in memory, its newest changes, and everyone who watches it.
 *
 * - Loaded at first use from a revision a little back, and brought up to now from the store's log: so watches resume
 *   across a restart of the server instead of listing again.
 * - `apply()` is called in revision order by the hub; between two calls table, ring and hub revision agree.
 */
import type { Clock } from '../../../machinery/process/clock.ts';
import { CompactedError, type Store, type StoreEvent } from '../../store/store.ts';
import { BookmarkEvent, CacheEvent } from './cache-event.ts';
import { CachedObject } from './cached-object.ts';
import { EventRing } from './event-ring.ts';
import { ObjectTable } from './object-table.ts';
import type { KubeObject, ResourceConfig, WatchCacheStatistics } from './storage.ts';
import type { HubTarget, WatchHub } from './watch-hub.ts';
import type { Watcher } from './watcher.ts';

const LOAD_PAGE = 2000;
/** How many revisions of the whole store are replayed when loading. */
const REPLAY_REVISIONS = 1000;
const BOOKMARK_PERIOD_MS = 60_000;

interface Loaded<T extends KubeObject> {
  readonly table: ObjectTable<T>;
  readonly ring: EventRing<T>;
}

export class WatchCache<T extends KubeObject> implements HubTarget {
  private readonly config: ResourceConfig;
  private readonly store: Store;
  private readonly hub: WatchHub;
  private readonly clock: Clock;
  private readonly watchers = new Set<Watcher<T>>();
  private state: Loaded<T> | undefined;
  private loading: Promise<void> | undefined;
  /** Events that come while the table is being loaded. */
  private pending: StoreEvent[] = [];
  private generation = 0;
  private cancelBookmarks: (() => void) | undefined;
  private received = 0;
  private loads = 0;

  constructor(config: ResourceConfig, store: Store, hub: WatchHub, clock: Clock) {
    this.config = config;
    this.store = store;
    this.hub = hub;
    this.clock = clock;
  }

  /** Table and ring, loaded at the first call. They change with every event: read them without awaiting in between. */
  async ready(): Promise<Loaded<T>> {
    while (this.state === undefined) {
      this.loading ??= this.load().finally(() => (this.loading = undefined));
      await this.loading;
    }
    return this.state;
  }

  /** What is loaded, if it is. */
  loaded(): Loaded<T> | undefined {
    return this.state;
  }

  add(watcher: Watcher<T>, signal: AbortSignal): void {
    const onAbort = (): void => {
      watcher.end();
      this.watchers.delete(watcher);
    };
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    watcher.onEnd = () => {
      signal.removeEventListener('abort', onAbort);
      this.watchers.delete(watcher);
    };
    this.watchers.add(watcher);
    if (watcher.wantsBookmarks) this.armBookmarks();
  }

  statistics(): WatchCacheStatistics {
    return { received: this.received, loads: this.loads };
  }

  apply(event: StoreEvent): void {
    this.received++;
    if (this.state === undefined) {
      if (this.loading !== undefined) this.pending.push(event);
      return;
    }
    const change = this.change(this.state, event);
    if (change === undefined || this.watchers.size === 0) return;
    for (const watcher of this.watchers) watcher.offer(change);
    change.release();
  }

  lost(): void {
    this.state = undefined;
    this.generation++;
    this.endWatches();
  }

  close(): void {
    this.cancelBookmarks?.();
    this.endWatches();
  }

  private endWatches(): void {
    for (const watcher of [...this.watchers]) watcher.end();
  }

  /** Applies one event to table and ring. */
  private change({ table, ring }: Loaded<T>, event: StoreEvent): CacheEvent<T> | undefined {
    const key = event.key.slice(this.config.prefix.length);
    const previous = table.get(key);
    const current = event.type === 'put' ? CachedObject.fromStored<T>(key, event.revision, event.kv.value) : undefined;
    if (current === undefined && previous === undefined) return undefined;
    if (current === undefined) table.delete(key);
    else table.set(current);
    const change = new CacheEvent(key, event.revision, current, previous);
    ring.push(change);
    return change;
  }

  private async load(): Promise<void> {
    this.loads++;
    await this.hub.start();
    const generation = this.generation;
    this.pending = [];
    this.hub.attach(this.config.prefix, this);
    // The hub delivers everything after this; what is before is in the store.
    const attachedAt = this.hub.revision;
    const loaded = await this.loadAt(Math.max(1, attachedAt - REPLAY_REVISIONS)).catch((error: unknown) => {
      if (error instanceof CompactedError) return this.loadAt(Math.max(error.oldestRevision, 1));
      throw error;
    });
    await this.replay(loaded, attachedAt);
    // Events were missed while loading: `ready()` loads again.
    if (generation !== this.generation) return;
    for (const event of this.pending) this.change(loaded, event);
    this.pending = [];
    this.state = loaded;
  }

  private async loadAt(revision: number): Promise<Loaded<T>> {
    const table = new ObjectTable<T>();
    for (let startAfter = ''; ;) {
      const page = await this.store.list(this.config.prefix, { revision, limit: LOAD_PAGE, startAfter });
      for (const { key, value, revision: written } of page.items) {
        table.set(CachedObject.fromStored<T>(key.slice(this.config.prefix.length), written, value));
      }
      const last = page.items.at(-1);
      if (!page.more || last === undefined) return { table, ring: new EventRing<T>(revision) };
      startAfter = last.key;
      // Loading much must not keep the process from answering.
      await new Promise(setImmediate);
    }
  }

  private async replay(loaded: Loaded<T>, until: number): Promise<void> {
    if (loaded.ring.startRevision >= until) return;
    const stop = new AbortController();
    for await (const batch of this.store.watch(this.config.prefix, loaded.ring.startRevision, stop.signal)) {
      for (const event of batch.events) if (event.revision <= until) this.change(loaded, event);
      if (batch.revision >= until) break;
    }
    stop.abort();
  }

  private armBookmarks(): void {
    this.cancelBookmarks ??= this.clock.after(BOOKMARK_PERIOD_MS, () => {
      this.cancelBookmarks = undefined;
      const { revision } = this.hub;
      const bookmark = new BookmarkEvent<T>(this.config.apiVersion, this.config.kind, revision);
      let wanted = false;
      for (const watcher of this.watchers) {
        wanted ||= watcher.wantsBookmarks;
        watcher.offerBookmark(bookmark, revision);
      }
      if (wanted) this.armBookmarks();
    });
  }
}
