/**
 * The one interface to durable state: a flat key space with revisions, as etcd has it.
 *
 * Invariants that every implementation keeps (one test suite runs on all of them):
 * - Every successful write takes the next revision; revisions are never reused, also not after a crash.
 * - A write is acknowledged, and visible to reads and watches, only once it is durable.
 * - Reads never wait for writes; `get` and `list` without a revision see everything acknowledged before the call.
 * - A watch from revision R delivers every change after R under its prefix exactly once, in revision order.
 * - Whoever's write was acknowledged finds it delivered to every live watch in this process "soon", without I/O.
 *
 * Kept implementable with etcd v3: `create`, `update` and `delete` are each one Txn on one key (compare mod_revision),
 * `ttlSeconds` is a lease, `list` is a Range with a limit, `watch` a Watch with or without prev_kv.
 */

/** One live key at some revision. The value is owned by the store: treat it as read-only. */
export interface KeyValue {
  readonly key: string;
  readonly value: Buffer;
  /** Revision of the last write to this key (etcd: mod_revision). */
  readonly revision: number;
  /** Revision at which this key was created (etcd: create_revision). */
  readonly createRevision: number;
}

export interface WriteOptions {
  /**
   * The key is deleted by the store this many seconds after this write, also across restarts.
   * An update without it makes the key permanent again.
   */
  readonly ttlSeconds?: number;
  /** An update may wait this long for others to share a flush with. A store whose flushes are not its own takes no notice. */
  readonly patienceMs?: number;
}

export interface DeleteOptions {
  /** The key's revision must still be this one. */
  readonly expectedRevision?: number;
}

export interface ReadOptions {
  /** Read as of this revision; newest if absent. */
  readonly revision?: number;
}

export interface ListOptions extends ReadOptions {
  /** At most this many items; all if absent or 0. */
  readonly limit?: number;
  /** Only keys that sort after this one (the last key of the page before). */
  readonly startAfter?: string;
  /** Count what is left after this page. It costs a scan, so it is asked for. */
  readonly countRemaining?: boolean;
}

export interface ListResult {
  /** Sorted by key (byte order). */
  readonly items: KeyValue[];
  /** The revision that the whole result is consistent at. */
  readonly revision: number;
  /** Whether keys are left after this page. */
  readonly more: boolean;
  /** How many keys are left after this page, where `countRemaining` asked for it. */
  readonly remaining?: number;
}

export interface DeleteResult {
  /** The deletion's own revision. */
  readonly revision: number;
  /** What was deleted. */
  readonly previous: KeyValue;
}

/** One change. `previous` is there only where the watch asked for it and it was not compacted away. */
export type StoreEvent =
  | {
      readonly type: 'put';
      readonly key: string;
      readonly revision: number;
      readonly kv: KeyValue;
      readonly previous?: KeyValue;
    }
  | { readonly type: 'delete'; readonly key: string; readonly revision: number; readonly previous?: KeyValue };

export interface WatchBatch {
  /** In revision order; may be empty (progress only). */
  readonly events: readonly StoreEvent[];
  /** Everything up to and including this revision has been delivered. */
  readonly revision: number;
}

export interface WatchOptions {
  /** Fill `previous` in events. Off by default: it costs a read per event. */
  readonly previous?: boolean;
}

/** @throws StoreUnavailableError from any operation when the store cannot be reached, is full, broken or closed. */
export interface Store {
  /** @returns the write's revision @throws KeyExistsError */
  create(key: string, value: Uint8Array, options?: WriteOptions): Promise<number>;
  /** @returns the write's revision @throws KeyNotFoundError, RevisionConflictError */
  update(key: string, value: Uint8Array, expectedRevision: number, options?: WriteOptions): Promise<number>;
  /** @throws KeyNotFoundError, RevisionConflictError */
  delete(key: string, options?: DeleteOptions): Promise<DeleteResult>;
  /** @returns undefined if the key does not live at that revision @throws CompactedError */
  get(key: string, options?: ReadOptions): Promise<KeyValue | undefined>;
  /** All keys that start with `prefix`. @throws CompactedError, FutureRevisionError */
  list(prefix: string, options?: ListOptions): Promise<ListResult>;
  /**
   * Changes with revision > `afterRevision` under `prefix` ('' for everything), until `signal` aborts (ends quietly).
   * The batch that reaches the revision current at the call comes even if it is empty: then the past is complete.
   * A consumer that is slow costs bounded memory: the store reads its log again rather than buffering.
   * @throws CompactedError when `afterRevision` is older than what the store keeps
   */
  watch(prefix: string, afterRevision: number, signal: AbortSignal, options?: WatchOptions): AsyncIterable<WatchBatch>;
  /** Forgets history before `revision` (what is live stays). Reads and watches older than it fail afterwards. */
  compact(revision: number): Promise<void>;
  /** The newest durable revision; at least 1. */
  currentRevision(): Promise<number>;
  /**
   * For a store that may refuse writes while it still serves reads (a full disk): tries whether it takes them again, if it
   * refused the last one. @throws StoreUnavailableError why it does not
   */
  checkWritable?(): Promise<void>;
  /** Waits for accepted writes, ends watches, lets everything go. */
  close(): Promise<void>;
}

/** What an implementation on etcd would get from its failed Txn: the key is already there. */
export class KeyExistsError extends Error {
  readonly key: string;
  constructor(key: string) {
    super(`key ${key} exists already`);
    this.name = 'KeyExistsError';
    this.key = key;
  }
}

/** The key does not live. */
export class KeyNotFoundError extends Error {
  readonly key: string;
  constructor(key: string) {
    super(`key ${key} not found`);
    this.name = 'KeyNotFoundError';
    this.key = key;
  }
}

/** The key lives, but its revision is not the expected one; `current` is what is there now. */
export class RevisionConflictError extends Error {
  readonly key: string;
  readonly current: KeyValue;
  constructor(key: string, expectedRevision: number, current: KeyValue) {
    super(`key ${key} is at revision ${current.revision}, not ${expectedRevision}`);
    this.name = 'RevisionConflictError';
    this.key = key;
    this.current = current;
  }
}

/** The revision asked for is older than what the store keeps. */
export class CompactedError extends Error {
  /** The oldest revision that can still be read, and watched from. */
  readonly oldestRevision: number;
  constructor(revision: number, oldestRevision: number) {
    super(`revision ${revision} has been compacted; the oldest kept is ${oldestRevision}`);
    this.name = 'CompactedError';
    this.oldestRevision = oldestRevision;
  }
}

/** The revision asked for does not exist yet. */
export class FutureRevisionError extends Error {
  readonly currentRevision: number;
  constructor(revision: number, currentRevision: number) {
    super(`revision ${revision} is in the future; the current one is ${currentRevision}`);
    this.name = 'FutureRevisionError';
    this.currentRevision = currentRevision;
  }
}

/** The value is larger than the store takes; the message says whose limit it is. */
export class ValueTooLargeError extends Error {
  override readonly name = 'ValueTooLargeError';
}

/**
 * Why a store cannot serve. `unknownOutcome`: the write may or may not have happened (a lost answer, a failed fsync). `denied`: certificates or
 * rights. `foreign`: what is there is not ours, or not what was there before.
 */
export type UnavailableReason =
  | 'closed'
  | 'locked'
  | 'full'
  | 'corrupt'
  | 'newerFormat'
  | 'io'
  | 'unreachable'
  | 'denied'
  | 'foreign'
  | 'unknownOutcome';

/** The store cannot serve; the message says what to do. */
export class StoreUnavailableError extends Error {
  readonly reason: UnavailableReason;
  constructor(reason: UnavailableReason, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'StoreUnavailableError';
    this.reason = reason;
  }
}
