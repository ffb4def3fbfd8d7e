/**
 * Other servers' answers, as long as they may be kept, and a while longer for bad days.
 *
 * - Fresh for the records' time to live, at most `MAX_FRESH_SECONDS`; what does not exist as its SOA record says.
 * - What is asked often is fetched again shortly before it gets old (`isWorn`), so that nobody waits for it.
 * - Old answers are for those who would get none (RFC 8767): for at most an hour.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../machinery/process/clock.ts';
import type { RawResponse } from './plan/raw-response.ts';

export const MAX_FRESH_SECONDS = 30;
const MAX_STALE_SECONDS = 3_600;
const WORN_SHARE = 0.9;
const POPULAR_USES = 2;
const OVERHEAD_BYTES = 400;

interface Kept {
  readonly response: RawResponse;
  readonly atMs: number;
  uses: number;
  isBeingRenewed: boolean;
}

export type Found =
  | { readonly kind: 'fresh'; readonly response: RawResponse; readonly ageSeconds: number; readonly isWorn: boolean }
  | { readonly kind: 'stale'; readonly response: RawResponse };

export class ResponseCache {
  private readonly clock: Clock;
  private readonly kept: LRUCache<string, Kept>;

  constructor(clock: Clock, maxBytes = 2 * 1024 * 1024) {
    this.clock = clock;
    this.kept = new LRUCache({
      maxSize: maxBytes,
      sizeCalculation: ({ response }) => response.bytes.length + OVERHEAD_BYTES,
    });
  }

  get size(): number {
    return this.kept.size;
  }

  find(key: string): Found | undefined {
    const kept = this.kept.get(key);
    if (kept === undefined) return undefined;
    const age = (this.clock.monotonicMs() - kept.atMs) / 1000;
    const { response } = kept;
    if (age < response.ttlSeconds) {
      kept.uses++;
      const isWorn = !kept.isBeingRenewed && kept.uses > POPULAR_USES && age >= response.ttlSeconds * WORN_SHARE;
      // Whoever is told so renews it; one is enough.
      if (isWorn) kept.isBeingRenewed = true;
      return { kind: 'fresh', response, ageSeconds: Math.floor(age), isWorn };
    }
    if (age < response.ttlSeconds + MAX_STALE_SECONDS) return { kind: 'stale', response };
    this.kept.delete(key);
    return undefined;
  }

  keep(key: string, response: RawResponse): void {
    if (response.ttlSeconds <= 0) return;
    this.kept.set(key, { response, atMs: this.clock.monotonicMs(), uses: 0, isBeingRenewed: false });
  }

  clear(): void {
    this.kept.clear();
  }
}
