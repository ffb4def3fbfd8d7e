/**
 * Fans published changes out to watches, and lets a watch that starts late or falls behind read the log instead.
 *
 * - `publish()` is called in revision order, after the changes are durable and readable in the log.
 * - A watch holds at most `QUEUE_LIMIT` undelivered events; past that its queue is dropped and the log is read again.
 * - Moving from log to live happens without an await between the last read and joining, so there is no gap.
 */
import type { StoreEvent, WatchBatch, WatchOptions } from './store.ts';

/** What the feed needs of a store's log. All calls are synchronous. */
interface ChangeLog {
  /** The newest durable revision. */
  currentRevision(): number;
  /**
   * At most `limit` changes under `prefix` with afterRevision < revision <= the durable one, in order, and how far that reaches.
   * @throws CompactedError
   */
  readAfter(prefix: string, afterRevision: number, limit: number): WatchBatch;
  /** The event with `previous` filled in, if it is still kept. */
  withPrevious(event: StoreEvent): StoreEvent;
}

const QUEUE_LIMIT = 4096;
const PAGE = 500;

interface Subscriber {
  readonly prefix: string;
  queue: StoreEvent[];
  /** Revision up to which `queue` (after what the watch has taken) is complete. */
  revision: number;
  state: 'live' | 'behind';
  wake: () => void;
}

export class ChangeFeed {
  private readonly log: ChangeLog;
  private readonly subscribers = new Set<Subscriber>();
  private closed = false;

  constructor(log: ChangeLog) {
    this.log = log;
  }

  /** Changes up to `revision` are durable. */
  publish(events: readonly StoreEvent[], revision: number): void {
    for (const s of this.subscribers) {
      if (s.state === 'behind') continue;
      const before = s.queue.length;
      for (const e of events) if (e.key.startsWith(s.prefix)) s.queue.push(e);
      s.revision = revision;
      if (s.queue.length > QUEUE_LIMIT) {
        s.queue = [];
        s.state = 'behind';
      }
      // A watch of one prefix is not woken for the writes of others.
      if (s.queue.length > before || s.state === 'behind') s.wake();
    }
  }

  /** Ends every watch. */
  close(): void {
    this.closed = true;
    for (const s of this.subscribers) s.wake();
  }

  async *watch(
    prefix: string,
    afterRevision: number,
    signal: AbortSignal,
    options: WatchOptions = {},
  ): AsyncGenerator<WatchBatch, void, undefined> {
    const fill = (batch: WatchBatch): WatchBatch =>
      options.previous === true ? { ...batch, events: batch.events.map(e => this.log.withPrevious(e)) } : batch;
    const subscriber: Subscriber = { prefix, queue: [], revision: afterRevision, state: 'behind', wake: () => {} };
    const onAbort = (): void => subscriber.wake();
    signal.addEventListener('abort', onAbort, { once: true });
    this.subscribers.add(subscriber);
    let cursor = afterRevision;
    let caughtUp = false;
    try {
      // Says at once when the start is compacted, also where nothing has changed since.
      this.log.readAfter(prefix, cursor, 0);
      while (!signal.aborted && !this.closed) {
        if (subscriber.state === 'behind') {
          if (cursor < this.log.currentRevision()) {
            const batch = this.log.readAfter(prefix, cursor, PAGE);
            cursor = batch.revision;
            if (cursor >= this.log.currentRevision()) caughtUp = true;
            if (batch.events.length > 0 || caughtUp) yield fill(batch);
            continue;
          }
          subscriber.state = 'live';
          subscriber.revision = cursor;
          if (!caughtUp) {
            caughtUp = true;
            yield { events: [], revision: cursor };
            continue;
          }
        }
        if (subscriber.queue.length > 0) {
          const events = subscriber.queue;
          subscriber.queue = [];
          cursor = subscriber.revision;
          yield fill({ events, revision: cursor });
          continue;
        }
        cursor = Math.max(cursor, subscriber.revision);
        await new Promise<void>(resolve => (subscriber.wake = resolve));
        subscriber.wake = () => {};
      }
    } finally {
      this.subscribers.delete(subscriber);
      signal.removeEventListener('abort', onAbort);
    }
  }
}
