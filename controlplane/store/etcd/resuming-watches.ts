/**
 * Watches that outlive the member they run at: what breaks goes on at another member from where it stood, without a gap or a duplicate.
 */
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import { KVService } from '../../../proto/etcd/rpc.gen.ts';
import { CompactedError, StoreUnavailableError, type WatchBatch, type WatchOptions } from '../store.ts';
import type { EtcdClient } from './etcd-client.ts';
import { EtcdError } from './etcd-error.ts';
import type { Freshness } from './freshness.ts';
import { prefixRange } from './key-range.ts';
import { answersProgressInOrder } from './member-version.ts';
import { WatchStream } from './watch-stream.ts';

const RESUME_AFTER_MS = 50;
const OLDEST_MS = 5_000;

interface ResumingWatchesParts {
  readonly client: EtcdClient;
  readonly freshness: Freshness;
  /** Of all keys that are ours; ends with a slash. */
  readonly root: string;
  /** Written where only a change of our own shows how far a watch is; never shown to anybody. */
  readonly markKey: string;
  /** See `WatchStream`. */
  readonly markAfterMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class ResumingWatches {
  private readonly parts: ResumingWatchesParts;
  private marking: Promise<void> | undefined;

  constructor(parts: ResumingWatchesParts) {
    this.parts = parts;
  }

  /** As `Store.watch()`; `prefix` is not empty. */
  async *watch(
    prefix: string,
    afterRevision: number,
    signal: AbortSignal,
    { previous = false }: WatchOptions = {},
  ): AsyncGenerator<WatchBatch, void, undefined> {
    const { client, freshness } = this.parts;
    const ended = (): boolean => signal.aborted || client.closed.aborted;
    let cursor = afterRevision;
    try {
      if ((await freshness.current()) <= cursor) yield { events: [], revision: cursor };
      while (!ended()) {
        const stream = await this.openWatch(prefix, cursor, signal, previous);
        if (stream === undefined) return;
        const stop = (): void => void stream.call.cancel();
        const ends = AbortSignal.any([signal, client.closed]);
        ends.addEventListener('abort', stop, { once: true });
        try {
          for await (const batch of stream.batches()) {
            cursor = batch.revision;
            yield batch;
          }
        } catch (error) {
          if (ended()) return;
          await this.beforeResuming(error, stream.suspect);
        } finally {
          ends.removeEventListener('abort', stop);
        }
      }
    } catch (error) {
      if (!ended()) throw error;
    }
  }

  /** etcd tells how far it has forgotten only those who watch from before that. */
  async oldestRevision(): Promise<number> {
    const watch = await this.openWatch(this.parts.root, 1, AbortSignal.timeout(OLDEST_MS), false);
    let why: unknown = 'no member answers';
    try {
      for await (const _batch of watch?.batches() ?? []) return 1;
    } catch (error) {
      if (error instanceof CompactedError) return error.oldestRevision;
      why = error;
    }
    throw new StoreUnavailableError('unreachable', 'etcd does not tell how far its history reaches; try again', why);
  }

  /** Makes a change of our own. */
  mark(): Promise<void> {
    const { client, freshness, markKey } = this.parts;
    this.marking ??= client
      .write(KVService.put, { key: Buffer.from(markKey) })
      .then(answer => freshness.learn(answer.header?.revision ?? 0))
      .finally(() => (this.marking = undefined));
    return this.marking;
  }

  /** A watch at a member that answers, once there is one; undefined when it is no longer wanted. */
  private async openWatch(prefix: string, after: number, signal: AbortSignal, previous: boolean) {
    const { client, freshness, root, markKey, clock, markAfterMs } = this.parts;
    const found = await client.available(signal);
    if (found === undefined) return undefined;
    const { endpoint, connection } = found;
    const mayAsk = answersProgressInOrder(connection.member.version);
    const call = endpoint.watch(connection);
    const stream = new WatchStream({
      stream: call,
      endpoint: endpoint.url,
      request: {
        // The key that shows the progress is seen only by those who watch everything.
        ...prefixRange(mayAsk ? prefix : root),
        // From the revision itself: etcd then refuses if even that has been forgotten, and what came right after it may be missing.
        startRevision: Math.max(1, after),
        prevKv: previous,
        fragment: true,
        progressNotify: true,
      },
      afterRevision: after,
      selects: key => key.startsWith(prefix) && key !== markKey,
      freshness,
      clock,
      markAfterMs,
      mark: mayAsk ? undefined : () => this.mark(),
    });
    return {
      call,
      batches: () => stream.batches(),
      suspect: (error: Error) => client.suspect(endpoint, error),
    };
  }

  /** @throws what going on elsewhere cannot help */
  private async beforeResuming(error: unknown, suspect: (error: Error) => void): Promise<void> {
    if (!(error instanceof EtcdError)) throw error;
    if (error.failure === 'refused') throw error.refusal ?? error;
    this.parts.logger.info({ err: error }, 'a watch on etcd goes on elsewhere');
    if (error.failure === 'silent') suspect(error);
    else await this.parts.clock.sleep(RESUME_AFTER_MS);
  }
}
