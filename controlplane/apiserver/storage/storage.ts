/**
 * What the registry stores objects through: typed, cached and watchable per resource, with Kubernetes' resourceVersion
 * semantics. Behind it stand one store watch for everything and a watch cache per resource.
 *
 * Invariants:
 * - Reads come from memory; the store is asked only to prove freshness, or for snapshots older than memory reaches.
 * - Whoever's write has returned reads it and finds it in lists at once.
 * - Objects that come out are shared by everyone: read-only. Copy (`structuredClone`) before changing.
 *
 * Source: kubernetes.io/docs, "Kubernetes API Concepts", resource versions, chunking and watch.
 */
import type { ObjectMeta } from '../../../proto/api/meta-v1.ts';

/** What every stored object has. */
export interface KubeObject {
  readonly apiVersion?: string | undefined;
  readonly kind?: string | undefined;
  readonly metadata?: ObjectMeta | undefined;
}

/** Describes one resource to store. */
export interface ResourceConfig {
  /** '' for core. */
  readonly group: string;
  /** Plural, lower case: `pods`. */
  readonly resource: string;
  /** apiVersion and kind of the stored form: written into bytes that lack them, and into bookmarks. */
  readonly apiVersion: string;
  readonly kind: string;
  /** Key prefix with a slash at its end: `/registry/pods/`; none may begin with another. Keys are `<prefix><namespace>/<name>` or `<prefix><name>`. */
  readonly prefix: string;
}

/** One object at one revision. */
export interface StoredObject<T extends KubeObject = KubeObject> {
  readonly namespace: string;
  readonly name: string;
  readonly resourceVersion: string;
  /** JSON with resourceVersion, made once and shared: write it out, never change it. */
  readonly bytes: Buffer;
  /** Parsed when first asked for, then shared with whoever else holds it: read-only. */
  readonly object: T;
}

export interface GetQuery {
  /** Absent: most recent. '0': whatever is in memory. Otherwise: not older than this. */
  readonly resourceVersion?: string;
  readonly signal?: AbortSignal;
}

export interface ListQuery<T extends KubeObject = KubeObject> {
  /** One namespace; all if absent or ''. */
  readonly namespace?: string;
  /** Only this name (field selector metadata.name=...). */
  readonly name?: string;
  /** Selectors, compiled by the caller. Absent: everything, and then nothing is parsed. */
  readonly predicate?: (object: T) => boolean;
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: 'Exact' | 'NotOlderThan';
  readonly limit?: number;
  /** From the page before; excludes resourceVersion. */
  readonly continue?: string;
  readonly signal?: AbortSignal;
}

export interface StoredList<T extends KubeObject = KubeObject> {
  /** Sorted by namespace, then name. */
  readonly items: readonly StoredObject<T>[];
  readonly resourceVersion: string;
  /** Token for the next page; absent on the last one. */
  readonly continue?: string;
  /** What is left after this page; absent on the last one and wherever a predicate or name was given. */
  readonly remainingItemCount?: number;
}

export type WatchEventType = 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';

export interface WatchEvent<T extends KubeObject = KubeObject> {
  readonly type: WatchEventType;
  /** The revision of the change (for an object that left the selection or was deleted: of that change). */
  readonly resourceVersion: string;
  /** Read-only. */
  readonly object: T;
  /** The object's bytes and all; undefined for a bookmark. */
  readonly stored: StoredObject<T> | undefined;
  /** `{"type":...,"object":...}\n`, or the event in another form: built once for all watchers. */
  frame(form?: FrameForm): Buffer;
}

/** A form of watch events other than JSON. Watchers that share a form share its frames, so there is one instance of each. */
export interface FrameForm {
  frame(event: WatchEvent): Buffer;
}

export interface WatchQuery<T extends KubeObject = KubeObject> {
  readonly namespace?: string;
  readonly name?: string;
  readonly predicate?: (object: T) => boolean;
  /** Absent or '0': current objects as ADDED first, unless `sendInitialEvents` is false. Otherwise: changes after this. */
  readonly resourceVersion?: string;
  readonly allowWatchBookmarks?: boolean;
  /** True: current objects (not older than resourceVersion), then a bookmark annotated `k8s.io/initial-events-end`. */
  readonly sendInitialEvents?: boolean;
  /** Ends the watch. */
  readonly signal: AbortSignal;
}

/**
 * Batches of events in order. Ends quietly when the signal aborts, when the consumer was too slow (cut, the client
 * watches again from its last resourceVersion) and when the storage closes.
 */
export type Watch<T extends KubeObject = KubeObject> = AsyncIterable<readonly WatchEvent<T>[]>;

export interface Preconditions {
  readonly uid?: string;
  readonly resourceVersion?: string;
}

export interface UpdateOptions {
  /** The object expires this long after the write; without it, it stays. */
  readonly ttlSeconds?: number;
  /** Nobody waits for it so dearly that it may not wait this long for other writes to share a flush with. */
  readonly patienceMs?: number;
}

export interface CreateOptions {
  readonly ttlSeconds?: number;
}

/** Outcome of an update. */
export interface UpdateResult<T extends KubeObject = KubeObject> {
  readonly stored: StoredObject<T>;
  /** False when the new object equalled the current one, so that nothing was written. */
  readonly changed: boolean;
  /** True when the object did not exist and was created (`guaranteedUpsert`). */
  readonly created: boolean;
}

/** Counters since the start. */
export interface WatchCacheStatistics {
  /** Changes that came from the store. */
  readonly received: number;
  /** How often everything was read. */
  readonly loads: number;
}

/** One resource's objects. All methods throw StatusError; ServiceUnavailable (503) when the store cannot serve. */
export interface ResourceStorage<T extends KubeObject = KubeObject> {
  readonly config: ResourceConfig;
  /** @throws StatusError AlreadyExists */
  create(namespace: string, name: string, object: T, options?: CreateOptions): Promise<StoredObject<T>>;
  /** @throws StatusError NotFound; Timeout when resourceVersion is in the future */
  get(namespace: string, name: string, query?: GetQuery): Promise<StoredObject<T>>;
  /** Like `get()` for the most recent state in memory, without waiting; undefined if there is none. */
  peek(namespace: string, name: string): StoredObject<T> | undefined;
  /** @throws StatusError Expired (410) with a fresh token, BadRequest, Timeout */
  list(query?: ListQuery<T>): Promise<StoredList<T>>;
  /** @throws StatusError Expired (410) when resourceVersion is older than what is kept */
  watch(query: WatchQuery<T>): Promise<Watch<T>>;
  /**
   * Compare-and-swap until it holds: `fn` gets the current object (read-only) and returns the whole new one, or throws to
   * give up. It runs again, on the newer object, whenever another write came between. The resourceVersion that `fn` leaves
   * in the object is not a precondition: state it in `preconditions`.
   * @throws StatusError NotFound, Conflict (preconditions)
   */
  guaranteedUpdate(
    namespace: string,
    name: string,
    preconditions: Preconditions | undefined,
    fn: (current: T) => T | Promise<T>,
    options?: UpdateOptions,
  ): Promise<UpdateResult<T>>;
  /** `guaranteedUpdate` whose `fn` gets undefined, and creates, when there is no such object (server-side apply, PUT). */
  guaranteedUpsert(
    namespace: string,
    name: string,
    preconditions: Preconditions | undefined,
    fn: (current: T | undefined) => T | Promise<T>,
    options?: UpdateOptions,
  ): Promise<UpdateResult<T>>;
  /**
   * Deletes after `validate` (throws to refuse) agreed to the very state that is deleted.
   * @returns the last state, with the deletion's resourceVersion
   * @throws StatusError NotFound, Conflict (preconditions)
   */
  delete(
    namespace: string,
    name: string,
    preconditions?: Preconditions,
    validate?: (current: T) => void | Promise<void>,
  ): Promise<StoredObject<T>>;
  /** How many objects there are (metrics, quota). Loads the cache. */
  count(): Promise<number>;
  /** What the watch cache has done so far. */
  statistics(): WatchCacheStatistics;
}

/** All resources over one store. */
export interface Storage {
  /** The same config.prefix gives the same ResourceStorage. Cheap: objects are loaded at first use. */
  resource<T extends KubeObject>(config: ResourceConfig): ResourceStorage<T>;
  /** The newest resourceVersion of the whole store. */
  currentResourceVersion(): Promise<string>;
  /** Throws why the store cannot serve; for /livez and /readyz. */
  checkHealth(): Promise<void>;
  /** Throws why the store takes no writes, though it may serve reads; for /readyz. */
  checkWritable(): Promise<void>;
  /** Ends watches and follows nothing any more. The store stays open: its owner closes it. */
  close(): Promise<void>;
}
