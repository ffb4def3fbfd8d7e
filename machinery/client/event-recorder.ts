/**
 * Records Events (core/v1) about objects, as `kubectl describe` and `kubectl get events` show them.
 *
 * - Never blocks and never throws: events wait in a bounded queue that one writer empties; what does not fit is dropped and counted.
 * - They are written a moment later and together: what they tell of goes first, and writes that meet share one commit of the store.
 * - The same event again raises `count` of the first one (a patch); many that differ in their message alone become one
 *   "(combined from similar events)"; an object that sends too many is cut off for a while.
 * Source: the behaviour of client-go `tools/record` (EventCorrelator).
 */
import type { Event } from '../../proto/api/core-v1.ts';
import { isAlreadyExists, isForbidden, isNotFound, isTransient } from '../meta/status-error-from.ts';
import type { Clock } from '../process/clock.ts';
import type { Logger } from '../process/logger.ts';
import type { Client } from './client.ts';
import { EventCorrelator, type EventDraft, type EventSubject } from './event-correlator.ts';
import { apiVersionOf, events, type AnyObject, type Resource } from './resource.ts';

export type { EventSubject } from './event-correlator.ts';

/** Takes events; see EventRecorder. Parts take this, so that tests can give an array. */
export interface EventSink {
  /** @param reason CamelCase word, @param message a sentence for people, @param annotations of the event, for programs */
  event(
    subject: EventSubject,
    type: 'Normal' | 'Warning',
    reason: string,
    message: string,
    annotations?: Readonly<Record<string, string>>,
  ): void;
}

export interface EventRecorderOptions {
  client: Client;
  clock: Clock;
  logger: Logger;
  /** `source.component`: `kubelet`, `default-scheduler`, `deployment-controller`. */
  component: string;
  /** `source.host`: the node, for parts of a node. */
  host?: string | undefined;
  /** Events that may wait to be written, default 1000. */
  capacity?: number | undefined;
}

/** Long enough for a pod's whole start to fit in, short enough for `kubectl describe`. */
const GATHER_MS = 200;
const WRITES_AT_ONCE = 16;
const RETRIES = 5;
const RETRY_MS = 1000;

export class EventRecorder implements EventSink {
  private readonly options: EventRecorderOptions;
  private readonly correlator: EventCorrelator;
  private readonly waiting: EventDraft[] = [];
  private writer: Promise<void> | undefined;
  private stopped = false;
  private readonly stopping = new AbortController();
  /** Somebody waits for the events to be written: there is nothing to gather. */
  private hurry = new AbortController();
  private sequence = 0;
  /** Events lost because the queue was full or the server refused. */
  dropped = 0;

  constructor(options: EventRecorderOptions) {
    this.options = options;
    this.correlator = new EventCorrelator(options.clock);
  }

  event(
    subject: EventSubject,
    type: 'Normal' | 'Warning',
    reason: string,
    message: string,
    annotations?: Readonly<Record<string, string>>,
  ): void {
    if (this.stopped) return;
    if (this.waiting.length >= (this.options.capacity ?? 1000)) {
      this.dropped++;
      return;
    }
    const draft = this.correlator.correlate({ subject, type, reason, message: message.slice(0, 1024), annotations });
    if (draft === undefined) return;
    this.waiting.push(draft);
    this.writer ??= this.write().finally(() => (this.writer = undefined));
  }

  /** Resolves when all events so far are written or dropped. */
  async flush(): Promise<void> {
    this.hurry.abort();
    while (this.writer !== undefined) await this.writer;
    this.hurry = new AbortController();
  }

  /** Takes no more events and gives those that wait a short time to be written. */
  async stop(graceMs = 500): Promise<void> {
    this.stopped = true;
    const cut = new AbortController();
    await Promise.race([this.flush(), this.options.clock.sleep(graceMs, cut.signal).catch(() => undefined)]);
    cut.abort();
    this.stopping.abort();
    this.waiting.length = 0;
  }

  private async write(): Promise<void> {
    while (this.waiting.length > 0) {
      await this.options.clock.sleep(GATHER_MS, this.hurry.signal).catch(() => undefined);
      while (this.waiting.length > 0) await Promise.all(this.nextBatch().map(draft => this.writeOne(draft)));
    }
  }

  /** Of one event's counts only the first: a patch needs what the write before it made. */
  private nextBatch(): EventDraft[] {
    const records = new Set(this.waiting.slice(0, WRITES_AT_ONCE).map(draft => draft.record));
    const batch: EventDraft[] = [];
    for (const draft of this.waiting.slice(0, WRITES_AT_ONCE)) {
      if (!records.delete(draft.record)) break;
      batch.push(draft);
    }
    this.waiting.splice(0, batch.length);
    return batch;
  }

  private async writeOne(draft: EventDraft): Promise<void> {
    const { clock, logger } = this.options;
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.send(draft);
      } catch (error) {
        const again = isTransient(error) && attempt < RETRIES && !this.stopped;
        if (!again) {
          this.dropped++;
          // An object's namespace may be going away: its last events then have no home.
          const level = isForbidden(error) || isNotFound(error) || this.stopped ? 'debug' : 'warn';
          logger[level]({ err: error, reason: draft.reason, object: draft.subject.name }, 'Event was not recorded');
          return;
        }
        await clock.sleep(RETRY_MS * 2 ** attempt, this.stopping.signal).catch(() => undefined);
      }
    }
  }

  private async send(draft: EventDraft): Promise<void> {
    const client = this.options.client.of(events);
    const written = draft.record.written;
    if (written !== undefined) {
      const patch = { count: draft.count, lastTimestamp: this.timestamp(), message: draft.message };
      try {
        await client.patch(written, patch, { type: 'strategic' });
        return;
      } catch (error) {
        if (!isNotFound(error)) throw error;
        // The first one expired: begin a new one.
        draft.count = 1;
      }
    }
    const event = this.build(draft);
    try {
      await client.create(event);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
    draft.record.written = { namespace: event.metadata.namespace, name: event.metadata.name ?? '' };
  }

  private build(draft: EventDraft): Event {
    const { component, host } = this.options;
    const { subject } = draft;
    const namespace = subject.namespace === undefined || subject.namespace === '' ? 'default' : subject.namespace;
    const now = this.timestamp();
    // Unique among the recorders of all processes: nanoseconds, of which the last digits count up.
    const unique = (BigInt(this.options.clock.now()) * 1_000_000n + BigInt(this.sequence++ % 1_000_000)).toString(16);
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: {
        name: `${subject.name ?? ''}.${unique}`,
        namespace,
        ...(draft.annotations === undefined ? {} : { annotations: { ...draft.annotations } }),
      },
      involvedObject: subject,
      reason: draft.reason,
      message: draft.message,
      type: draft.type,
      count: draft.count,
      firstTimestamp: now,
      lastTimestamp: now,
      source: host === undefined ? { component } : { component, host },
      reportingComponent: component,
      reportingInstance: host ?? '',
    };
  }

  private timestamp(): string {
    return `${new Date(this.options.clock.now()).toISOString().slice(0, 19)}Z`;
  }
}

/** The subject of events about `object`. */
export function subjectOf<T extends AnyObject>(resource: Resource<T>, object: T, fieldPath?: string): EventSubject {
  const { namespace, name, uid, resourceVersion } = object.metadata;
  const subject = { apiVersion: apiVersionOf(resource), kind: resource.kind, namespace, name, uid, resourceVersion };
  return fieldPath === undefined ? subject : { ...subject, fieldPath };
}
