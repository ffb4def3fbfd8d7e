/**
 * A copy of one resource's objects that follows the storage's watch: for parts of the API server that must decide without waiting
 * (RBAC). Outside the API server an Informer does this.
 */
import type { KubeObject, ResourceStorage, WatchEvent } from '../storage/storage.ts';

const AFTER_FAILURE_MS = 200;
const INITIAL_EVENTS_END = 'k8s.io/initial-events-end';

export class StorageFollower<T extends KubeObject> {
  readonly #storage: ResourceStorage<T>;
  readonly #onChange: (key: string, object: T | undefined) => void;
  readonly #objects = new Map<string, T>();
  readonly #synced: Promise<void>;
  #resolveSynced: () => void = () => {};

  /** @param onChange told of each change; undefined: the object is gone */
  constructor(storage: ResourceStorage<T>, onChange: (key: string, object: T | undefined) => void = () => {}) {
    this.#storage = storage;
    this.#onChange = onChange;
    this.#synced = new Promise(resolve => (this.#resolveSynced = resolve));
  }

  get(namespace: string, name: string): T | undefined {
    return this.#objects.get(`${namespace}/${name}`);
  }

  values(): Iterable<T> {
    return this.#objects.values();
  }

  /** Resolves when everything that was there at the start is here. */
  synced(): Promise<void> {
    return this.#synced;
  }

  /** Follows until `signal` aborts; begins anew whenever the watch ends. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#follow(signal);
      } catch {
        if (!signal.aborted) await pause(AFTER_FAILURE_MS);
      }
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    let stale: Set<string> | undefined = new Set(this.#objects.keys());
    for await (const batch of await this.#storage.watch({
      sendInitialEvents: true,
      allowWatchBookmarks: true,
      signal,
    })) {
      for (const event of batch) {
        if (event.type !== 'BOOKMARK') this.#apply(event, stale);
        else if (stale !== undefined && event.object.metadata?.annotations?.[INITIAL_EVENTS_END] === 'true') {
          for (const key of stale) this.#remove(key);
          stale = undefined;
          this.#resolveSynced();
        }
      }
    }
  }

  #apply(event: WatchEvent<T>, stale: Set<string> | undefined): void {
    const { namespace = '', name = '' } = event.object.metadata ?? {};
    const key = `${namespace}/${name}`;
    stale?.delete(key);
    if (event.type === 'DELETED') return this.#remove(key);
    this.#objects.set(key, event.object);
    this.#onChange(key, event.object);
  }

  #remove(key: string): void {
    if (this.#objects.delete(key)) this.#onChange(key, undefined);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms).unref());
}
