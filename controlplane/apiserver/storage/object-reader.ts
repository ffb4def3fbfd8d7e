/**
 * get, list and watch of one resource with Kubernetes' resourceVersion semantics.
 *
 * Pages and lists at an earlier revision are answered from memory as far as the ring of changes reaches back, then from the
 * store. Source: kubernetes.io/docs, "Resource versions", the tables of get, list and watch semantics.
 */
import { badRequest, notFound } from '../../../machinery/meta/status-error.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import { CompactedError, type Store } from '../../store/store.ts';
import { BookmarkEvent } from './cache-event.ts';
import { CachedObject } from './cached-object.ts';
import { ContinueExpiredError, decodeContinue, encodeContinue, type ContinueToken } from './continue-token.ts';
import type { KeyRange } from './object-table.ts';
import type {
  GetQuery,
  KubeObject,
  ListQuery,
  ResourceConfig,
  StoredList,
  StoredObject,
  Watch,
  WatchQuery,
} from './storage.ts';
import { parseResourceVersion, tooLargeResourceVersion, tooOldResourceVersion } from './storage-errors.ts';
import type { WatchCache } from './watch-cache.ts';
import type { WatchHub } from './watch-hub.ts';
import { Watcher, type WatcherScope } from './watcher.ts';

/** How long a read waits for a revision that has not come yet. */
const WAIT_MS = 3000;
const STORE_PAGE = 500;
/** How many objects are parsed before others get their turn. */
const SLICE = 500;

interface ReaderParts<T extends KubeObject> {
  readonly config: ResourceConfig;
  readonly store: Store;
  readonly hub: WatchHub;
  readonly cache: WatchCache<T>;
  readonly clock: Clock;
}

/** Where a list stands in time and space. */
interface Snapshot {
  readonly revision: number;
  readonly range: KeyRange;
  /** From a continue token: running out of history is answered with a fresh one. */
  readonly token: ContinueToken | undefined;
}

/** The key of an object below its resource's prefix. */
export function keyOf(namespace: string, name: string): string {
  return namespace === '' ? name : `${namespace}/${name}`;
}

export class ObjectReader<T extends KubeObject> {
  private readonly parts: ReaderParts<T>;

  constructor(parts: ReaderParts<T>) {
    this.parts = parts;
  }

  async get(namespace: string, name: string, query: GetQuery): Promise<StoredObject<T>> {
    await this.parts.cache.ready();
    await this.caughtUpWith(query.resourceVersion, query.signal);
    const { table } = await this.parts.cache.ready();
    const object = table.get(keyOf(namespace, name));
    if (object === undefined) throw notFound(this.parts.config, name);
    return object;
  }

  async list(query: ListQuery<T>): Promise<StoredList<T>> {
    await this.parts.cache.ready();
    const snapshot = await this.snapshot(query);
    const { ring } = await this.parts.cache.ready();
    if (snapshot.revision < ring.startRevision) return this.listFromStore(query, snapshot);
    return this.listFromCache(query, snapshot);
  }

  async watch(query: WatchQuery<T>): Promise<Watch<T>> {
    const { cache, hub, config } = this.parts;
    await cache.ready();
    const { resourceVersion = '', sendInitialEvents } = query;
    const fromNow = resourceVersion === '' || resourceVersion === '0';
    const withState = sendInitialEvents === true || (fromNow && sendInitialEvents !== false);
    if (fromNow || sendInitialEvents === true) await this.caughtUpWith(resourceVersion, query.signal);

    const { table, ring } = await cache.ready();
    const after = fromNow || withState ? hub.revision : parseResourceVersion(resourceVersion);
    if (after < ring.startRevision) throw tooOldResourceVersion(after, ring.startRevision);
    const scope = scopeOf(query);
    const watcher = new Watcher<T>(scope, after, query.allowWatchBookmarks === true);
    if (withState) {
      const objects = [...table.range(rangeOf(query.namespace))].filter(object => selects(object, query));
      const end = sendInitialEvents === true && query.allowWatchBookmarks === true;
      watcher.startWith(objects, end ? new BookmarkEvent(config.apiVersion, config.kind, after, true) : undefined);
    } else {
      for (const event of ring.after(after)) watcher.offer(event);
    }
    cache.add(watcher, query.signal);
    return watcher;
  }

  /** Waits until the cache is as new as `resourceVersion` asks: '' for the newest there is, '0' for anything. */
  async caughtUpWith(resourceVersion: string | undefined, signal: AbortSignal | undefined): Promise<void> {
    const { hub } = this.parts;
    if (resourceVersion === undefined || resourceVersion === '') return hub.fresh(signal);
    const wanted = parseResourceVersion(resourceVersion);
    if (wanted <= hub.revision) return;
    // Another API server may have given it out: asking the store brings this one's watch there too.
    await this.parts.store.currentRevision();
    const stop = new AbortController();
    const timedOut = tooLargeResourceVersion(wanted, hub.revision);
    const cancel = this.parts.clock.after(WAIT_MS, () => stop.abort(timedOut));
    try {
      await hub.reached(wanted, signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]));
    } finally {
      cancel();
    }
  }

  private async snapshot(query: ListQuery<T>): Promise<Snapshot> {
    const { hub } = this.parts;
    const range = rangeOf(query.namespace);
    const { resourceVersion = '', resourceVersionMatch: match, limit = 0 } = query;
    if (query.continue !== undefined && query.continue !== '') {
      const token = decodeContinue(query.continue);
      if (resourceVersion !== '' && resourceVersion !== '0')
        throw badRequest('specifying resource version is not allowed when using continue');
      await this.caughtUpWith(token.revision < 0 ? '' : String(token.revision), query.signal);
      const revision = token.revision < 0 ? hub.revision : token.revision;
      const from = `${token.startAfter}\0`;
      return { revision, range: from > range.from ? { from, to: range.to } : range, token };
    }
    await this.caughtUpWith(resourceVersion, query.signal);
    const named = resourceVersion !== '' && resourceVersion !== '0';
    // Before there was a match parameter, a revision with a limit meant exactly that revision.
    const exact = match === 'Exact' || (match === undefined && named && limit > 0);
    return { revision: exact ? parseResourceVersion(resourceVersion) : hub.revision, range, token: undefined };
  }

  private async listFromCache(query: ListQuery<T>, { revision, range }: Snapshot): Promise<StoredList<T>> {
    const { table, ring } = await this.parts.cache.ready();
    const earlier = ring.stateBefore(revision);
    const all = earlier.size === 0 ? table.range(range) : table.rangeAt(range, earlier);
    const limit = query.limit ?? 0;
    const items: StoredObject<T>[] = [];
    let more = false;
    // A predicate parses: that is done in slices, over what was there at the start.
    const seen = query.predicate === undefined ? all : [...all];
    let looked = 0;
    for (const object of seen) {
      if (query.predicate !== undefined && ++looked % SLICE === 0) await new Promise(setImmediate);
      if (!selects(object, query)) continue;
      more = limit > 0 && items.length === limit;
      if (more) break;
      items.push(object);
    }
    const last = items.at(-1);
    if (!more || last === undefined) return { items, resourceVersion: String(revision) };
    const startAfter = keyOf(last.namespace, last.name);
    const page = { items, resourceVersion: String(revision), continue: encodeContinue({ revision, startAfter }) };
    if (query.predicate !== undefined || query.name !== undefined) return page;
    const rest = { from: `${startAfter}\0`, to: range.to };
    // No predicate, so nothing was awaited since `earlier` was taken.
    let left = table.count(rest);
    for (const [key, then] of earlier) {
      if (key >= rest.from && (rest.to === undefined || key < rest.to)) {
        left += (then === undefined ? 0 : 1) - (table.get(key) === undefined ? 0 : 1);
      }
    }
    return { ...page, remainingItemCount: left };
  }

  private async listFromStore(query: ListQuery<T>, { revision, token }: Snapshot): Promise<StoredList<T>> {
    const { store, config } = this.parts;
    const limit = query.limit ?? 0;
    const items: CachedObject<T>[] = [];
    let startAfter = `${config.prefix}${token?.startAfter ?? ''}`;
    const prefix = `${config.prefix}${namespacePrefix(query)}`;
    for (;;) {
      const page = await store.list(prefix, { revision, limit: STORE_PAGE, startAfter }).catch((error: unknown) => {
        if (!(error instanceof CompactedError)) throw error;
        if (token !== undefined) throw new ContinueExpiredError(token.startAfter);
        throw tooOldResourceVersion(revision, error.oldestRevision);
      });
      const found = page.items.map(kv =>
        CachedObject.fromStored<T>(kv.key.slice(config.prefix.length), kv.revision, kv.value),
      );
      for (const object of found) {
        if (!selects(object, query)) continue;
        const last = items.at(-1);
        if (limit > 0 && items.length === limit && last !== undefined) {
          const next = encodeContinue({ revision, startAfter: last.key });
          return { items, resourceVersion: String(revision), continue: next };
        }
        items.push(object);
      }
      startAfter = page.items.at(-1)?.key ?? '';
      if (!page.more) return { items, resourceVersion: String(revision) };
    }
  }
}

const EVERYTHING: KeyRange = { from: '', to: undefined };

function namespacePrefix(query: { readonly namespace?: string }): string {
  return query.namespace === undefined || query.namespace === '' ? '' : `${query.namespace}/`;
}

/** Keys of a namespace: '0' is what follows '/'. */
function rangeOf(namespace: string | undefined): KeyRange {
  return namespace === undefined || namespace === '' ? EVERYTHING : { from: `${namespace}/`, to: `${namespace}0` };
}

function selects<T extends KubeObject>(
  object: CachedObject<T>,
  query: { readonly name?: string; readonly predicate?: (object: T) => boolean },
): boolean {
  const { name, predicate } = query;
  if (name !== undefined && object.name !== name) return false;
  return predicate === undefined || predicate(object.object);
}

function scopeOf<T extends KubeObject>(query: WatchQuery<T>): WatcherScope<T> {
  const { namespace = '', name, predicate } = query;
  const within = (key: string): boolean => namespace === '' || key.startsWith(`${namespace}/`);
  const named = (key: string): boolean => name === undefined || key === name || key.endsWith(`/${name}`);
  return { matchesKey: key => within(key) && named(key), predicate };
}
