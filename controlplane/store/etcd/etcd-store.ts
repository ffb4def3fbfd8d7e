/**
 * The store on etcd v3: several API servers may share it. Keys are those of the interface, values the bytes as given.
 *
 * - A write is one Txn that compares the key's mod_revision and brings the current value along where that differs; it is never done twice.
 * - `currentRevision()` is a quorum read, shared by all who ask at a time; live watches then reach that revision soon (resuming-watches.ts).
 * - A watch that loses its member goes on at another from where it stood: no gap, no duplicate.
 * - Nothing outside of `prefix` is read or written, but for upstream's `compact_rev_key`; compaction concerns all of etcd, as upstream's does.
 */
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Decoded } from '../../../proto/decoded.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import {
  Compare_CompareResult,
  Compare_CompareTarget,
  KVService,
  type Compare,
  type RangeRequest,
  type RangeResponse,
  type TxnRequest,
  type TxnResponse,
} from '../../../proto/etcd/rpc.gen.ts';
import {
  CompactedError,
  FutureRevisionError,
  KeyExistsError,
  KeyNotFoundError,
  RevisionConflictError,
  StoreUnavailableError,
  ValueTooLargeError,
  type DeleteOptions,
  type DeleteResult,
  type KeyValue,
  type ListOptions,
  type ListResult,
  type ReadOptions,
  type Store,
  type WatchBatch,
  type WatchOptions,
  type WriteOptions,
} from '../store.ts';
import type { EtcdClient } from './etcd-client.ts';
import { EtcdError } from './etcd-error.ts';
import { Freshness } from './freshness.ts';
import { HistoryCompactor } from './history-compactor.ts';
import { prefixRangeAfter, toKeyValue } from './key-range.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import { ResumingWatches } from './resuming-watches.ts';

/** An answer to a list has at most this many keys; fewer where they are large. */
const PAGE = 500;
const PAGE_BYTES = 8 * 1024 * 1024;

interface EtcdStoreParts {
  readonly client: EtcdClient;
  /** All keys begin with this; ends with a slash. */
  readonly prefix: string;
  /** See `WatchStream`. */
  readonly markAfterMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Made by `openEtcdStore()`. */
export class EtcdStore implements Store {
  private readonly client: EtcdClient;
  private readonly parts: EtcdStoreParts;
  private readonly freshness: Freshness;
  private readonly leases: LeaseKeeper;
  private readonly compactor: HistoryCompactor;
  /** Written where only a change of our own shows how far a watch is; never shown to anybody. */
  private readonly markKey: string;
  private readonly watches: ResumingWatches;
  /** The last write was refused because etcd is full. */
  private isFull = false;

  constructor(parts: EtcdStoreParts) {
    const { client, clock, logger, prefix, markAfterMs } = parts;
    this.parts = parts;
    this.client = client;
    this.markKey = `${prefix}.k8ts-watch-progress`;
    this.freshness = new Freshness(client, Buffer.from(prefix), logger);
    const { freshness, markKey } = this;
    this.watches = new ResumingWatches({ client, freshness, root: prefix, markKey, markAfterMs, clock, logger });
    this.leases = new LeaseKeeper(client, clock);
    this.compactor = new HistoryCompactor({ client, clock, logger, compact: revision => this.compact(revision) });
  }

  async create(key: string, value: Uint8Array, { ttlSeconds }: WriteOptions = {}): Promise<number> {
    const answer = await this.put(key, value, ttlSeconds, 0);
    if (!answer.succeeded) throw new KeyExistsError(key);
    return answer.header?.revision ?? 0;
  }

  async update(key: string, value: Uint8Array, expected: number, { ttlSeconds }: WriteOptions = {}): Promise<number> {
    // etcd takes revision 0 for "not there": no key that lives has it.
    if (expected < 1) throw conflictOf(key, expected, await this.get(key));
    const answer = await this.put(key, value, ttlSeconds, expected);
    if (!answer.succeeded) throw conflictOf(key, expected, currentIn(answer));
    return answer.header?.revision ?? 0;
  }

  async delete(key: string, { expectedRevision }: DeleteOptions = {}): Promise<DeleteResult> {
    const name = Buffer.from(key);
    const answer = await this.txn({
      compare: expectedRevision === undefined ? [] : [hasRevision(name, expectedRevision)],
      success: [{ requestDeleteRange: { key: name, prevKv: true } }],
      failure: [{ requestRange: { key: name } }],
    });
    if (!answer.succeeded) throw conflictOf(key, expectedRevision ?? 0, currentIn(answer));
    const previous = answer.responses[0]?.responseDeleteRange?.prevKvs[0];
    if (previous === undefined) throw new KeyNotFoundError(key);
    return { revision: answer.header?.revision ?? 0, previous: toKeyValue(previous) };
  }

  async get(key: string, { revision }: ReadOptions = {}): Promise<KeyValue | undefined> {
    const { kvs } = await this.range({ key: Buffer.from(key), revision: revision ?? 0 });
    return kvs[0] === undefined ? undefined : toKeyValue(kvs[0]);
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListResult> {
    const { limit = 0, countRemaining = false } = options;
    const items: KeyValue[] = [];
    let revision = options.revision ?? 0;
    let startAfter = options.startAfter;
    for (let page = PAGE; ;) {
      const wanted = limit === 0 ? page : Math.min(page, limit - items.length);
      const range = prefixRangeAfter(this.within(prefix), startAfter);
      const answer = await this.page({ ...range, revision, limit: wanted });
      // Later pages are as of the first one.
      if (revision === 0) revision = answer.header?.revision ?? 0;
      let bytes = 0;
      for (const kv of answer.kvs) {
        bytes += kv.value.length;
        const item = toKeyValue(kv);
        if (item.key !== this.markKey) items.push(item);
      }
      startAfter = answer.kvs.at(-1)?.key.toString();
      if (!answer.more || (limit > 0 && items.length >= limit)) {
        const remaining = answer.count - answer.kvs.length;
        return { items, revision, more: answer.more, ...(countRemaining ? { remaining } : {}) };
      }
      page = Math.max(1, Math.min(PAGE, Math.floor((answer.kvs.length * PAGE_BYTES) / Math.max(1, bytes))));
    }
  }

  watch(prefix: string, after: number, signal: AbortSignal, options?: WatchOptions): AsyncIterable<WatchBatch> {
    return this.watches.watch(this.within(prefix), after, signal, options);
  }

  async compact(revision: number): Promise<void> {
    try {
      await this.client.write(KVService.compact, { revision });
    } catch (error) {
      const failure = error instanceof EtcdError ? error.failure : undefined;
      if (failure === 'future') throw new FutureRevisionError(revision, this.freshness.known);
      // Somebody has been faster.
      if (failure !== 'compacted') throw error;
    }
  }

  currentRevision(): Promise<number> {
    return this.freshness.current();
  }

  async checkWritable(): Promise<void> {
    if (this.isFull) await this.watches.mark();
    this.isFull = false;
  }

  async close(): Promise<void> {
    this.compactor.stop();
    await this.client.close();
  }

  private async put(
    key: string,
    value: Uint8Array,
    ttlSeconds: number | undefined,
    expected: number,
  ): Promise<Decoded<TxnResponse>> {
    const name = Buffer.from(key);
    const attempt = async (): Promise<Decoded<TxnResponse>> => {
      const lease = ttlSeconds === undefined ? 0 : await this.leases.leaseFor(ttlSeconds);
      return this.txn({
        compare: [hasRevision(name, expected)],
        success: [{ requestPut: { key: name, value: Buffer.from(value), lease } }],
        failure: expected === 0 ? [] : [{ requestRange: { key: name } }],
      });
    };
    try {
      return await attempt();
    } catch (error) {
      // The lease ended early (etcd was restored, or clocks jumped); the Txn was refused as a whole.
      if (!(error instanceof EtcdError) || error.failure !== 'leaseGone' || ttlSeconds === undefined) throw error;
      this.leases.forget(ttlSeconds);
      return attempt();
    }
  }

  private async txn(request: TxnRequest): Promise<Decoded<TxnResponse>> {
    try {
      const answer = await this.client.write(KVService.txn, request);
      this.freshness.learn(answer.header?.revision ?? 0);
      this.isFull = false;
      return answer;
    } catch (error) {
      this.isFull ||= error instanceof StoreUnavailableError && error.reason === 'full';
      throw error;
    }
  }

  /** A page of a list; a shorter one where the answer would be larger than a message may be. */
  private async page(request: RangeRequest & { readonly limit: number }): Promise<Decoded<RangeResponse>> {
    for (let { limit } = request; ; limit = Math.ceil(limit / 4)) {
      try {
        return await this.range({ ...request, limit });
      } catch (error) {
        if (!(error instanceof ValueTooLargeError) || limit <= 1) throw error;
      }
    }
  }

  private async range(request: RangeRequest): Promise<Decoded<RangeResponse>> {
    try {
      const answer = await this.client.read(KVService.range, request);
      this.freshness.learn(answer.header?.revision ?? 0);
      return answer;
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      const { revision = 0 } = request;
      if (error.failure === 'compacted') throw new CompactedError(revision, await this.watches.oldestRevision());
      if (error.failure === 'future') throw new FutureRevisionError(revision, await this.freshness.current());
      throw error;
    }
  }

  /** '' stands for all that is ours. */
  private within(prefix: string): string {
    return prefix === '' ? this.parts.prefix : prefix;
  }
}

/** Whether the key's last write has this revision; 0: whether there is no such key. */
function hasRevision(key: Buffer, revision: number): Compare {
  return {
    result: Compare_CompareResult.EQUAL,
    target: Compare_CompareTarget.MOD,
    key,
    modRevision: revision,
  };
}

/** What the failed Txn found instead. */
function currentIn(answer: Decoded<TxnResponse>): KeyValue | undefined {
  const kv = answer.responses[0]?.responseRange?.kvs[0];
  return kv === undefined ? undefined : toKeyValue(kv);
}

function conflictOf(key: string, expected: number, current: KeyValue | undefined): Error {
  return current === undefined ? new KeyNotFoundError(key) : new RevisionConflictError(key, expected, current);
}
