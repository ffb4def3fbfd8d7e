/**
 * What a controller wrote and its informer does not show yet, so that it never counts a child too few and makes it twice.
 * Stands where upstream has "expectations": instead of counting events it keeps the very objects.
 *
 * A created object is pending until the informer shows it (or an end of it); a deleted one until it is gone or marked. What the informer never
 * shows (a relist skipped it) is forgotten after `LIFETIME_MS`.
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import type { Clock } from '../../../machinery/process/clock.ts';

const LIFETIME_MS = 30_000;

interface Pending<T> {
  created: Map<string, { object: T; untilMs: number }>;
  deleted: Map<string, number>;
}

export class PendingWrites<T extends AnyObject> {
  private readonly clock: Clock;
  private readonly byOwner = new Map<string, Pending<T>>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** @param owner the owner's uid */
  noteCreated(owner: string, object: T): void {
    this.of(owner).created.set(object.metadata.uid ?? '', { object, untilMs: this.clock.monotonicMs() + LIFETIME_MS });
  }

  noteDeleted(owner: string, object: T): void {
    const pending = this.of(owner);
    pending.created.delete(object.metadata.uid ?? '');
    pending.deleted.set(object.metadata.uid ?? '', this.clock.monotonicMs() + LIFETIME_MS);
  }

  /** The informer showed `object`, alive or dying or gone. */
  seen(owner: string, object: T, gone: boolean): void {
    const pending = this.byOwner.get(owner);
    if (pending === undefined) return;
    const uid = object.metadata.uid ?? '';
    pending.created.delete(uid);
    if (gone || object.metadata.deletionTimestamp !== undefined) pending.deleted.delete(uid);
    if (pending.created.size + pending.deleted.size === 0) this.byOwner.delete(owner);
  }

  /** `listed`, with what is missing from it and without what is going. */
  overlay(owner: string, listed: readonly T[]): { objects: T[]; hasPending: boolean } {
    const pending = this.byOwner.get(owner);
    if (pending === undefined) return { objects: [...listed], hasPending: false };
    const nowMs = this.clock.monotonicMs();
    const known = new Set(listed.map(object => object.metadata.uid ?? ''));
    const objects = listed.filter(object => (pending.deleted.get(object.metadata.uid ?? '') ?? 0) <= nowMs);
    for (const [uid, { object, untilMs }] of pending.created) {
      if (untilMs <= nowMs) pending.created.delete(uid);
      else if (!known.has(uid)) objects.push(object);
    }
    return { objects, hasPending: pending.created.size + pending.deleted.size > 0 };
  }

  /** The owner is gone. */
  forget(owner: string): void {
    this.byOwner.delete(owner);
  }

  private of(owner: string): Pending<T> {
    let pending = this.byOwner.get(owner);
    if (pending === undefined) this.byOwner.set(owner, (pending = { created: new Map(), deleted: new Map() }));
    return pending;
  }
}
