/** Puts hub, caches, readers and writers together over one store. */
import { systemClock, type Clock } from '../../../machinery/process/clock.ts';
import { silentLogger, type Logger } from '../../../machinery/process/logger.ts';
import type { Store } from '../../store/store.ts';
import { measuredStore } from './measured-store.ts';
import { keyOf, ObjectReader } from './object-reader.ts';
import { ObjectWriter } from './object-writer.ts';
import { asStatus } from './storage-errors.ts';
import type { KubeObject, ResourceConfig, ResourceStorage, Storage } from './storage.ts';
import { WatchCache } from './watch-cache.ts';
import { WatchHub } from './watch-hub.ts';

/** As upstream's: where backup tools look. */
const KEY_PREFIX = '/registry';

export interface StorageOptions {
  /** Stays its owner's: close the storage first, then the store. */
  readonly store: Store;
  /** Where this API server's keys lie, in place of `/registry`; other keys of the store are left alone. */
  readonly keyPrefix?: string | undefined;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** Told of each request to the store: what it was, of which resource, and how many seconds it took. */
  readonly observe?: ((operation: string, config: ResourceConfig, seconds: number) => void) | undefined;
}

export function openStorage(options: StorageOptions): Storage {
  const { store, keyPrefix = KEY_PREFIX, clock = systemClock, logger = silentLogger, observe } = options;
  const hub = new WatchHub(store, `${keyPrefix}/`, clock, logger);
  const caches: { close(): void }[] = [];
  const resources = new Map<string, ResourceStorage>();
  return {
    resource<T extends KubeObject>(wanted: ResourceConfig): ResourceStorage<T> {
      const config = { ...wanted, prefix: `${keyPrefix}${wanted.prefix.slice(KEY_PREFIX.length)}` };
      const known = resources.get(config.prefix);
      if (known !== undefined) return known as unknown as ResourceStorage<T>;
      const own =
        observe === undefined ? store : measuredStore(store, clock, (what, seconds) => observe(what, config, seconds));
      const cache = new WatchCache<T>(config, own, hub, clock);
      caches.push(cache);
      const made = resourceStorage(config, { config, store: own, hub, cache, clock });
      resources.set(config.prefix, made as unknown as ResourceStorage);
      return made;
    },
    currentResourceVersion: async () => String(await asStatus(store.currentRevision())),
    checkHealth: async () => {
      await asStatus(hub.start());
      await asStatus(store.currentRevision());
    },
    checkWritable: async () => {
      await asStatus<unknown>(store.checkWritable?.() ?? store.currentRevision());
    },
    close: async () => {
      for (const cache of caches) cache.close();
      await hub.close();
    },
  };
}

interface Parts<T extends KubeObject> {
  readonly config: ResourceConfig;
  readonly store: Store;
  readonly hub: WatchHub;
  readonly cache: WatchCache<T>;
  readonly clock: Clock;
}

function resourceStorage<T extends KubeObject>(config: ResourceConfig, parts: Parts<T>): ResourceStorage<T> {
  const reader = new ObjectReader<T>(parts);
  const writer = new ObjectWriter<T>(parts);
  const { cache, hub } = parts;
  return {
    config,
    create: (namespace, name, object, options = {}) => asStatus(writer.create(namespace, name, object, options)),
    get: (namespace, name, query = {}) => asStatus(reader.get(namespace, name, query)),
    peek: (namespace, name) => cache.loaded()?.table.get(keyOf(namespace, name)),
    list: (query = {}) => asStatus(reader.list(query)),
    watch: query => asStatus(reader.watch(query)),
    guaranteedUpdate: (namespace, name, preconditions, fn, options = {}) =>
      asStatus(
        // Without mayCreate there is always a current object.
        writer.update(namespace, name, preconditions, current => fn(current as T), { ...options, mayCreate: false }),
      ),
    guaranteedUpsert: (namespace, name, preconditions, fn, options = {}) =>
      asStatus(writer.update(namespace, name, preconditions, fn, { ...options, mayCreate: true })),
    delete: (namespace, name, preconditions, validate) =>
      asStatus(writer.delete(namespace, name, preconditions, validate)),
    count: async () => {
      const { table } = await asStatus(cache.ready());
      await asStatus(hub.fresh());
      return table.size;
    },
    statistics: () => cache.statistics(),
  };
}
