/**
 * Decides what becomes of an event: a new one, one more of a known one, one of many similar ones, or nothing.
 * Remembers a bounded number of objects and events; what was forgotten begins anew.
 * Source: the rules and numbers of client-go `tools/record/events_cache.go`.
 */
import type { ObjectReference } from '../../proto/api/core-v1.ts';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../process/clock.ts';
import type { ObjectRef } from './client.ts';

/** What an event is about. */
export type EventSubject = Pick<
  ObjectReference,
  'apiVersion' | 'kind' | 'namespace' | 'name' | 'uid' | 'resourceVersion' | 'fieldPath'
>;

export interface EventInput {
  subject: EventSubject;
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
  annotations?: Readonly<Record<string, string>> | undefined;
}

/** What is known of an event that may come again. */
export interface EventRecord {
  count: number;
  /** The stored event; undefined until it is written. */
  written: ObjectRef | undefined;
}

export interface EventDraft extends EventInput {
  /** How often it happened, this time included. */
  count: number;
  record: EventRecord;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

interface Similar {
  messages: Set<string>;
  atMs: number;
}

const REMEMBERED = 4096;
/**
 * An object's events of one type: a burst of this many, then one more every five minutes.
 * Differs: upstream counts both types as one, so that a pod of eight containers has no word left for what fails once all have started.
 */
const BURST = 25;
const REFILL_MS = 300_000;
/** From this many different messages within the interval on, similar events are combined. */
const SIMILAR_MESSAGES = 10;
const SIMILAR_INTERVAL_MS = 600_000;

export class EventCorrelator {
  private readonly clock: Clock;
  private readonly buckets = new LRUCache<string, Bucket>({ max: REMEMBERED });
  private readonly similar = new LRUCache<string, Similar>({ max: REMEMBERED });
  private readonly records = new LRUCache<string, EventRecord>({ max: REMEMBERED });

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** @returns undefined if the event is to be dropped */
  correlate(input: EventInput): EventDraft | undefined {
    const { subject, type, reason } = input;
    const object = [subject.apiVersion, subject.kind, subject.namespace, subject.name, subject.uid].join('|');
    const group = [object, subject.fieldPath, type, reason].join('|');
    const combined = this.isCombined(group, input.message);
    if (!this.takeToken(`${object}|${type}`)) return undefined;
    const message = combined ? `(combined from similar events): ${input.message}` : input.message;
    const key = combined ? group : `${group}|${input.message}`;
    let record = this.records.get(key);
    if (record === undefined) this.records.set(key, (record = { count: 0, written: undefined }));
    record.count++;
    return { ...input, message, count: record.count, record };
  }

  private isCombined(group: string, message: string): boolean {
    const nowMs = this.clock.monotonicMs();
    let similar = this.similar.get(group);
    if (similar === undefined || nowMs - similar.atMs > SIMILAR_INTERVAL_MS)
      similar = { messages: new Set(), atMs: nowMs };
    similar.atMs = nowMs;
    if (similar.messages.size < SIMILAR_MESSAGES) similar.messages.add(message);
    this.similar.set(group, similar);
    return similar.messages.size >= SIMILAR_MESSAGES;
  }

  private takeToken(key: string): boolean {
    const nowMs = this.clock.monotonicMs();
    const bucket = this.buckets.get(key) ?? { tokens: BURST, atMs: nowMs };
    const tokens = Math.min(BURST, bucket.tokens + (nowMs - bucket.atMs) / REFILL_MS);
    const taken = tokens >= 1;
    this.buckets.set(key, { tokens: taken ? tokens - 1 : tokens, atMs: nowMs });
    return taken;
  }
}
