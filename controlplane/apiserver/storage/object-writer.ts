/**
 * create, update and delete of one resource: compare-and-swap against the cache's newest state, tried again until it holds.
 *
 * A refusal (precondition, `fn` or `validate` throwing, not found) counts only on a state that is proven fresh: on a stale
 * one the write is tried again first. A write returns once the cache has applied it, so that its writer reads it.
 */
import { isDeepStrictEqual } from 'node:util';
import { alreadyExists, conflict, notFound } from '../../../machinery/meta/status-error.ts';
import {
  KeyExistsError,
  KeyNotFoundError,
  RevisionConflictError,
  StoreUnavailableError,
  type Store,
} from '../../store/store.ts';
import { CachedObject } from './cached-object.ts';
import { encodeObject, withResourceVersion } from './object-codec.ts';
import { keyOf } from './object-reader.ts';
import type {
  CreateOptions,
  KubeObject,
  Preconditions,
  ResourceConfig,
  UpdateOptions,
  UpdateResult,
} from './storage.ts';
import type { WatchCache } from './watch-cache.ts';
import type { WatchHub } from './watch-hub.ts';

interface WriterParts<T extends KubeObject> {
  readonly config: ResourceConfig;
  readonly store: Store;
  readonly hub: WatchHub;
  readonly cache: WatchCache<T>;
}

/** One attempt's outcome: done, or another write came between. */
type Attempt<R> = { readonly done: R } | 'again';

export class ObjectWriter<T extends KubeObject> {
  private readonly parts: WriterParts<T>;

  constructor(parts: WriterParts<T>) {
    this.parts = parts;
  }

  async create(namespace: string, name: string, object: T, options: CreateOptions): Promise<CachedObject<T>> {
    await this.parts.cache.ready();
    const key = keyOf(namespace, name);
    const bytes = encodeObject(object, this.parts.config);
    try {
      return await this.written(key, await this.parts.store.create(this.storeKey(key), bytes, options), bytes);
    } catch (error) {
      if (error instanceof KeyExistsError) throw alreadyExists(this.parts.config, name);
      throw error;
    }
  }

  update(
    namespace: string,
    name: string,
    preconditions: Preconditions | undefined,
    fn: (current: T | undefined) => T | Promise<T>,
    options: UpdateOptions & { readonly mayCreate: boolean },
  ): Promise<UpdateResult<T>> {
    const { config, store } = this.parts;
    const key = keyOf(namespace, name);
    const { mayCreate, ...how } = options;
    return this.untilItHolds(key, async current => {
      if (current === undefined && !mayCreate) throw notFound(config, name);
      checkPreconditions(config, name, current, preconditions, undefined);
      const next = await fn(current?.object);
      const bytes = encodeObject(next, config);
      if (current === undefined) {
        const stored = await this.written(key, await store.create(this.storeKey(key), bytes, how), bytes);
        return { stored, changed: true, created: true };
      }
      if (how.ttlSeconds === undefined && isSame(current, bytes)) {
        return { stored: current, changed: false, created: false };
      }
      const revision = await store.update(this.storeKey(key), bytes, current.revision, how);
      return { stored: await this.written(key, revision, bytes), changed: true, created: false };
    });
  }

  delete(
    namespace: string,
    name: string,
    preconditions: Preconditions | undefined,
    validate: ((current: T) => void | Promise<void>) | undefined,
  ): Promise<CachedObject<T>> {
    const { config, store } = this.parts;
    const key = keyOf(namespace, name);
    return this.untilItHolds(key, async current => {
      if (current === undefined) throw notFound(config, name);
      checkPreconditions(config, name, current, preconditions, 'Precondition failed');
      await validate?.(current.object);
      const { revision } = await store.delete(this.storeKey(key), { expectedRevision: current.revision });
      await this.applied(revision);
      return current.atRevision(revision);
    });
  }

  private async untilItHolds<R>(
    key: string,
    attempt: (current: CachedObject<T> | undefined) => Promise<R>,
  ): Promise<R> {
    const { cache, hub } = this.parts;
    await cache.ready();
    for (;;) {
      const current = (await cache.ready()).table.get(key);
      const outcome = await this.tryOnce(key, current, attempt);
      if (outcome !== 'again') return outcome.done;
      await hub.fresh();
    }
  }

  private async tryOnce<R>(
    key: string,
    current: CachedObject<T> | undefined,
    attempt: (current: CachedObject<T> | undefined) => Promise<R>,
  ): Promise<Attempt<R>> {
    try {
      return { done: await attempt(current) };
    } catch (error) {
      if (error instanceof RevisionConflictError || error instanceof KeyNotFoundError) return 'again';
      if (error instanceof KeyExistsError) return 'again';
      // The write may have happened: doing it again, on what it left behind, would be doing it twice.
      if (error instanceof StoreUnavailableError) throw error;
      await this.parts.hub.fresh();
      if ((await this.parts.cache.ready()).table.get(key)?.revision !== current?.revision) return 'again';
      throw error;
    }
  }

  /** The cache's own object for a write, once it is there. */
  private async written(key: string, revision: number, bytes: Buffer): Promise<CachedObject<T>> {
    await this.applied(revision);
    const cached = this.parts.cache.loaded()?.table.get(key);
    return cached?.revision === revision ? cached : CachedObject.fromStored<T>(key, revision, bytes);
  }

  /** Waits until the cache shows what was written. A cache that is far behind does not undo the write: readers wait for it themselves. */
  private async applied(revision: number): Promise<void> {
    await this.parts.hub.reached(revision).catch((error: unknown) => {
      if (!(error instanceof StoreUnavailableError) || error.reason !== 'unreachable') throw error;
    });
  }

  private storeKey(key: string): string {
    return `${this.parts.config.prefix}${key}`;
  }
}

/** Whether storing `bytes` would change nothing. Members in another order are no change. */
function isSame<T extends KubeObject>(current: CachedObject<T>, bytes: Buffer): boolean {
  const next = withResourceVersion(bytes, current.revision);
  if (next.length !== current.bytes.length) return false;
  if (next.equals(current.bytes)) return true;
  // The same bytes in another order add up to the same; hardly anything else does, and parsing is dear.
  return sumOf(next) === sumOf(current.bytes) && isDeepStrictEqual(JSON.parse(next.toString()), current.object);
}

function sumOf(bytes: Buffer): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i++) sum += bytes[i] as number;
  return sum;
}

function checkPreconditions(
  config: ResourceConfig,
  name: string,
  current: CachedObject | undefined,
  preconditions: Preconditions | undefined,
  label: string | undefined,
): void {
  const { uid, resourceVersion } = preconditions ?? {};
  const { uid: uidNow = '' } = uid === undefined ? {} : (current?.object.metadata ?? {});
  if (uid !== undefined && uid !== uidNow) {
    const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${uidNow}`;
    throw conflict(config, name, why);
  }
  const now = current?.resourceVersion ?? '';
  if (resourceVersion === undefined || resourceVersion === now) return;
  // An update that lost the race is told in the words that every client knows.
  if (label === undefined) throw conflict(config, name);
  const why = `${label}: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${now}`;
  throw conflict(config, name, why);
}
