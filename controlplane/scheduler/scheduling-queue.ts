/**
 * Pods that wait for a node: active (tried next, by priority, then by age), in back-off, or unschedulable until something changes.
 *
 * Source: kubernetes.io/docs, "Scheduling Framework" (queue sort) and upstream's back-off of 1 s doubling to 10 s.
 * - A key is in one place at most.
 * - `moveAll()` says that something changed which may help: unschedulable pods go back, through their back-off.
 * - A change that comes while a pod is being tried counts: a pod that then proves unschedulable is tried again.
 * - Nothing ticks: one timer stands for the next back-off that ends.
 */
import type { Clock } from '../../machinery/process/clock.ts';

interface Entry {
  key: string;
  priority: number;
  /** When it was first put in, for fairness among equals. */
  order: number;
  attempts: number;
  /** In the active heap; an entry that was removed meanwhile is skipped when it comes up. */
  queued: boolean;
}

const FIRST_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 10_000;

export class SchedulingQueue {
  private readonly clock: Clock;
  private readonly entries = new Map<string, Entry>();
  private readonly active: Entry[] = [];
  private readonly backingOff = new Map<string, number>();
  private readonly unschedulable = new Set<string>();
  private readonly trying = new Map<string, number>();
  private moves = 0;
  private orders = 0;
  private wake: (() => void) | undefined;
  private cancelTimer: (() => void) | undefined;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** A new pod, or one whose spec changed: tried at once. */
  add(key: string, priority: number): void {
    const known = this.entries.get(key);
    const entry = known ?? { key, priority, order: this.orders++, attempts: 0, queued: false };
    entry.priority = priority;
    this.entries.set(key, entry);
    this.unschedulable.delete(key);
    this.backingOff.delete(key);
    this.activate(entry);
  }

  remove(key: string): void {
    this.entries.delete(key);
    this.unschedulable.delete(key);
    this.backingOff.delete(key);
  }

  /** Next pod to try; undefined once the signal aborts. */
  async pop(signal: AbortSignal): Promise<string | undefined> {
    while (!signal.aborted) {
      const entry = this.takeBest();
      if (entry !== undefined) {
        entry.attempts++;
        this.trying.set(entry.key, this.moves);
        return entry.key;
      }
      await new Promise<void>(resolve => {
        const done = (): void => {
          signal.removeEventListener('abort', done);
          this.wake = undefined;
          resolve();
        };
        this.wake = done;
        signal.addEventListener('abort', done, { once: true });
      });
    }
    return undefined;
  }

  /** It has a node, or is gone; unless it was added again meanwhile (a namesake may have taken its place). */
  done(key: string): void {
    const addedAgain = this.trying.get(key) === -1;
    this.trying.delete(key);
    const entry = this.entries.get(key);
    if (addedAgain && entry !== undefined) this.backOff(entry);
    else this.remove(key);
  }

  /** No node fits now. Tried again when `moveAll` says so. */
  park(key: string): void {
    const seen = this.trying.get(key);
    this.trying.delete(key);
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    if (seen !== this.moves) this.backOff(entry);
    else this.unschedulable.add(key);
  }

  /** Something failed on the way (the API, a race): tried again after its back-off. */
  retry(key: string): void {
    this.trying.delete(key);
    const entry = this.entries.get(key);
    if (entry !== undefined) this.backOff(entry);
  }

  /** Something changed that may help pods that found no node. */
  moveAll(): void {
    this.moves++;
    for (const key of this.unschedulable) {
      const entry = this.entries.get(key);
      if (entry !== undefined) this.backOff(entry);
    }
    this.unschedulable.clear();
  }

  get size(): { active: number; backoff: number; unschedulable: number } {
    return { active: this.active.length, backoff: this.backingOff.size, unschedulable: this.unschedulable.size };
  }

  private backOff(entry: Entry): void {
    const delayMs = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.max(0, entry.attempts - 1));
    this.backingOff.set(entry.key, this.clock.monotonicMs() + delayMs);
    this.arm();
  }

  private arm(): void {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    if (this.backingOff.size === 0) return;
    let next = Infinity;
    for (const dueMs of this.backingOff.values()) next = Math.min(next, dueMs);
    this.cancelTimer = this.clock.after(next - this.clock.monotonicMs(), () => this.releaseDue());
  }

  private releaseDue(): void {
    const nowMs = this.clock.monotonicMs();
    for (const [key, dueMs] of this.backingOff) {
      if (dueMs > nowMs) continue;
      this.backingOff.delete(key);
      const entry = this.entries.get(key);
      if (entry !== undefined) this.activate(entry);
    }
    this.arm();
  }

  private activate(entry: Entry): void {
    if (this.trying.has(entry.key)) {
      // Being tried right now: make sure a failure leads to another try.
      this.trying.set(entry.key, -1);
      return;
    }
    if (!entry.queued) {
      entry.queued = true;
      push(this.active, entry);
    }
    this.wake?.();
  }

  private takeBest(): Entry | undefined {
    for (let entry = pop(this.active); entry !== undefined; entry = pop(this.active)) {
      entry.queued = false;
      if (this.entries.get(entry.key) === entry) return entry;
    }
    return undefined;
  }
}

/** Higher priority first, then older. */
function before(a: Entry, b: Entry): boolean {
  return a.priority !== b.priority ? a.priority > b.priority : a.order < b.order;
}

function push(heap: Entry[], entry: Entry): void {
  let i = heap.push(entry) - 1;
  while (i > 0) {
    const parent = (i - 1) >> 1;
    if (!before(entry, heap[parent] as Entry)) break;
    heap[i] = heap[parent] as Entry;
    i = parent;
  }
  heap[i] = entry;
}

function pop(heap: Entry[]): Entry | undefined {
  const top = heap[0];
  const last = heap.pop();
  if (top === undefined || last === undefined || heap.length === 0) return top;
  let i = 0;
  for (;;) {
    let child = 2 * i + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1] as Entry, heap[child] as Entry)) child++;
    if (!before(heap[child] as Entry, last)) break;
    heap[i] = heap[child] as Entry;
    i = child;
  }
  heap[i] = last;
  return top;
}
