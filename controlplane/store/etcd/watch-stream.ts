/**
 * One watch at one member: from its answers to batches that are complete up to their revision.
 *
 * - A revision may hold several changes (keys of one lease), and an answer may come in fragments: a batch never ends within a revision.
 * - Where other keys than the watched ones have moved etcd's revision on, nothing comes by itself: then the stream asks how far it is. Members
 *   before 3.4.25 and 3.5.8 answer that too early (etcd issue 15220): there a key of our own is written, and everything up to it has come
 *   when it comes.
 * - A member that says nothing while there is something to say is given up.
 */
import type { ClientDuplexStream } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Decoded } from '../../../proto/decoded.ts';
import {
  Event_EventType,
  type Event,
  type WatchCreateRequest,
  type WatchRequest,
  type WatchResponse,
} from '../../../proto/etcd/rpc.gen.ts';
import { CompactedError, type StoreEvent, type WatchBatch } from '../store.ts';
import { EtcdError, etcdError, failureOf } from './etcd-error.ts';
import type { Freshness } from './freshness.ts';
import { toKeyValue } from './key-range.ts';

/** What is on its way comes by itself within this time; asking costs little. */
const ASK_AFTER_MS = 5;
/** A member gives a new watch what it missed in a round of 100 ms; until then there is no use in writing. */
const FIRST_MARK_AFTER_MS = 250;
const AGAIN_MS = 100;
/** How long a member may owe an answer. */
const SILENCE_MS = 2_500;

type Stream = ClientDuplexStream<WatchRequest, WatchResponse>;

interface WatchStreamParts {
  readonly stream: Stream;
  readonly endpoint: string;
  readonly request: WatchCreateRequest;
  /** Changes up to this are not delivered. */
  readonly afterRevision: number;
  readonly selects: (key: string) => boolean;
  readonly freshness: Freshness;
  readonly clock: Clock;
  /** Writes the key that shows how far the watch is; undefined where the member can be asked. Rejects when it cannot be written. */
  readonly mark: (() => Promise<void>) | undefined;
  /** How long what is on its way is waited for before that key is written, milliseconds. */
  readonly markAfterMs: number;
}

export class WatchStream {
  private readonly parts: WatchStreamParts;
  /** Everything up to this has been delivered. */
  private revision: number;
  /** Changes of the newest revision, of which more may come. */
  private held: StoreEvent[] = [];
  private created = false;
  private caughtUp = false;
  /** Since when the member owes an answer; undefined while it does not, or we are the ones who do not listen. */
  private silentSinceMs: number | undefined;
  private listening = false;
  private cancelNudge: (() => void) | undefined;
  private gaveUp: EtcdError | undefined;

  constructor(parts: WatchStreamParts) {
    this.parts = parts;
    this.revision = parts.afterRevision;
  }

  /** @throws CompactedError; EtcdError when the stream breaks or the member is given up */
  async *batches(): AsyncGenerator<WatchBatch, void, undefined> {
    const { stream, request, freshness, endpoint } = this.parts;
    const unlisten = freshness.onRise(() => this.expect());
    try {
      stream.write({ createRequest: request });
      this.listen();
      for await (const message of stream) {
        this.listening = false;
        this.silentSinceMs = undefined;
        const batch = this.take(message as Decoded<WatchResponse>);
        if (batch !== undefined) yield batch;
        this.listen();
      }
      throw new EtcdError('silent', `${endpoint}: the watch ended`);
    } catch (error) {
      throw this.gaveUp ?? (error instanceof CompactedError ? error : etcdError(error, endpoint));
    } finally {
      unlisten();
      this.cancelNudge?.();
      // Its own error, which the cancellation brings, is nobody's business.
      stream.on('error', () => {});
      stream.cancel();
    }
  }

  private take(message: Decoded<WatchResponse>): WatchBatch | undefined {
    const told = message.header?.revision ?? 0;
    if (message.canceled) throw this.canceled(message);
    if (message.created) {
      this.created = true;
      this.parts.freshness.learn(told);
      return undefined;
    }
    if (message.events.length === 0) {
      // Progress: of all there was up to then, nothing is missing.
      return this.held.length === 0 ? this.reached([], told) : undefined;
    }
    return this.collect(message.events, message.fragment);
  }

  private collect(wire: readonly Decoded<Event>[], moreFollows: boolean): WatchBatch | undefined {
    const { afterRevision, selects } = this.parts;
    const events = this.held;
    this.held = [];
    let newest = 0;
    for (const event of wire) {
      const change = toStoreEvent(event);
      newest = change.revision;
      if (newest > afterRevision && selects(change.key)) events.push(change);
    }
    if (!moreFollows) return this.reached(events, newest);
    const whole = events.filter(e => e.revision < newest);
    this.held = events.slice(whole.length);
    return this.reached(whole, newest - 1);
  }

  private reached(events: readonly StoreEvent[], revision: number): WatchBatch | undefined {
    const isNews = events.length > 0 || revision > this.revision;
    this.revision = Math.max(this.revision, revision);
    this.caughtUp ||= this.revision >= this.parts.freshness.known;
    return isNews ? { events, revision: this.revision } : undefined;
  }

  private canceled({ compactRevision, cancelReason }: Decoded<WatchResponse>): Error {
    if (compactRevision > 0) return new CompactedError(this.parts.afterRevision, compactRevision);
    const code = /permission denied|user name is empty/.test(cancelReason) ? status.PERMISSION_DENIED : status.UNKNOWN;
    return failureOf(code, cancelReason === '' ? 'the watch was canceled' : cancelReason, this.parts.endpoint);
  }

  private listen(): void {
    this.listening = true;
    this.expect();
  }

  /** Something may be owed from now on. */
  private expect(): void {
    if (!this.listening || !this.owes()) return;
    this.silentSinceMs ??= this.parts.clock.monotonicMs();
    const { mark, markAfterMs } = this.parts;
    this.arm(
      mark === undefined ? ASK_AFTER_MS : this.caughtUp ? markAfterMs : Math.max(markAfterMs, FIRST_MARK_AFTER_MS),
    );
  }

  /** Whether there is something that the member has not said yet. */
  private owes(): boolean {
    return !this.created || this.revision < this.parts.freshness.known;
  }

  private arm(delayMs: number): void {
    this.cancelNudge ??= this.parts.clock.after(delayMs, () => {
      this.cancelNudge = undefined;
      if (!this.listening || !this.owes()) return;
      this.nudge();
      this.arm(AGAIN_MS);
    });
  }

  private nudge(): void {
    const { clock, stream, mark, endpoint } = this.parts;
    if (clock.monotonicMs() - (this.silentSinceMs ?? Infinity) > SILENCE_MS) {
      this.gaveUp = new EtcdError('silent', `${endpoint}: the watch stands still`);
      stream.cancel();
    } else if (this.created) {
      if (mark === undefined) stream.write({ progressRequest: {} });
      // Where it cannot be written, nobody can tell how far the watch is: that is no fault of the member's.
      else mark().catch(() => (this.silentSinceMs &&= clock.monotonicMs()));
    }
  }
}

function toStoreEvent({ type, kv, prevKv }: Decoded<Event>): StoreEvent {
  const key = kv?.key?.toString() ?? '';
  const revision = kv?.modRevision ?? 0;
  const before = prevKv === undefined ? {} : { previous: toKeyValue(prevKv) };
  if (type === Event_EventType.DELETE || kv === undefined) return { type: 'delete', key, revision, ...before };
  return { type: 'put', key, revision, kv: toKeyValue(kv), ...before };
}
