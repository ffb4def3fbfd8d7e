/**
 * What a controller wrote and its informer does not show yet, so that it never counts a child too few and makes it twice.
 * Stands where upstream has "expectations": instead of counting events it keeps the very objects.
 *
 * - A child that was made, or taken over, is pending until the informer shows it (or an end of it); one that was deleted, or let go, until it is
 *   gone or marked.
 * - What the informer does not show for `REVIEW_MS` is due: its owner asks the server and tells `settle`. Time alone makes nothing forgotten.
 * - A child whose making has an unknown outcome is kept as a draft: whoever makes it again does so under the same name.
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import { isDeleting } from '../../../machinery/meta/object.ts';
import type { Clock } from '../../../machinery/process/clock.ts';

/** So long the informer may be behind before the server is asked. */
export const REVIEW_MS = 30_000;

interface Entry<T> {
  object: T;
  dueMs: number;
}

interface Pending<T> {
  added: Map<string, Entry<T>>;
  removed: Map<string, Entry<T>>;
  drafts: Entry<T>[];
}

export class PendingWrites<T extends AnyObject> {
  private readonly clock: Clock;
  private readonly byOwner = new Map<string, Pending<T>>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** @param owner the owner's uid */
  noteAdded(owner: string, object: T): void {
    const pending = this.of(owner);
    pending.removed.delete(uidOf(object));
    pending.added.set(uidOf(object), this.entry(object));
  }

  noteRemoved(owner: string, object: T): void {
    const pending = this.of(owner);
    pending.added.delete(uidOf(object));
    pending.removed.set(uidOf(object), this.entry(object));
  }

  /** The removal has an unknown outcome: it is due at once. */
  doubtRemoved(owner: string, object: T): void {
    this.of(owner).removed.set(uidOf(object), { object, dueMs: this.clock.monotonicMs() });
  }

  /** `draft` was sent to be made, with its name; whether it was is not known. */
  noteDraft(owner: string, draft: T): void {
    this.of(owner).drafts.push(this.entry(draft));
  }

  /** A draft that `fits`, which is then no draft any more. */
  takeDraft(owner: string, fits: (draft: T) => boolean): T | undefined {
    const drafts = this.byOwner.get(owner)?.drafts ?? [];
    const at = drafts.findIndex(({ object }) => fits(object));
    return at < 0 ? undefined : drafts.splice(at, 1)[0]?.object;
  }

  /** The informer showed `object`, alive or dying or gone (or not the owner's any more). */
  seen(owner: string, object: T, gone: boolean): void {
    const pending = this.byOwner.get(owner);
    if (pending === undefined) return;
    pending.added.delete(uidOf(object));
    if (gone || isDeleting(object)) pending.removed.delete(uidOf(object));
    pending.drafts = pending.drafts.filter(draft => draft.object.metadata.name !== object.metadata.name);
    this.tidy(owner, pending);
  }

  /** What has not shown for long, or is in doubt: to be asked for, and told to `settle`. Old drafts come to nothing. */
  due(owner: string): T[] {
    const pending = this.byOwner.get(owner);
    if (pending === undefined) return [];
    const nowMs = this.clock.monotonicMs();
    const isDue = ({ dueMs }: Entry<T>): boolean => dueMs <= nowMs;
    pending.drafts = pending.drafts.filter(draft => !isDue(draft));
    this.tidy(owner, pending);
    return [...pending.added.values(), ...pending.removed.values()].filter(isDue).map(({ object }) => object);
  }

  /**
   * @param object as `due` gave it
   * @param isOwned whether the server has it, as a child of this owner that is not being deleted
   * @param isListed whether the informer shows it as such a child
   */
  settle(owner: string, object: T, isOwned: boolean, isListed: boolean): void {
    const pending = this.of(owner);
    const uid = uidOf(object);
    // What is not as the informer shows it stays pending, however long that takes.
    if (pending.added.has(uid) && isOwned) pending.added.set(uid, this.entry(object));
    else pending.added.delete(uid);
    if (pending.removed.has(uid) && !isOwned && isListed) pending.removed.set(uid, this.entry(object));
    else pending.removed.delete(uid);
    this.tidy(owner, pending);
  }

  /** `listed`, with what is missing from it and without what is going. */
  overlay(owner: string, listed: readonly T[]): T[] {
    const pending = this.byOwner.get(owner);
    if (pending === undefined) return [...listed];
    const known = new Set(listed.map(uidOf));
    const objects = listed.filter(object => !pending.removed.has(uidOf(object)));
    for (const [uid, { object }] of pending.added) if (!known.has(uid)) objects.push(object);
    return objects;
  }

  /** Whether the informer has yet to show anything of it. */
  has(owner: string): boolean {
    const pending = this.byOwner.get(owner);
    return pending !== undefined && pending.added.size + pending.removed.size > 0;
  }

  /** The owner is gone. */
  forget(owner: string): void {
    this.byOwner.delete(owner);
  }

  private entry(object: T): Entry<T> {
    return { object, dueMs: this.clock.monotonicMs() + REVIEW_MS };
  }

  private of(owner: string): Pending<T> {
    let pending = this.byOwner.get(owner);
    if (pending === undefined) {
      pending = { added: new Map<string, Entry<T>>(), removed: new Map<string, Entry<T>>(), drafts: [] };
      this.byOwner.set(owner, pending);
    }
    return pending;
  }

  private tidy(owner: string, { added, removed, drafts }: Pending<T>): void {
    if (added.size + removed.size + drafts.length === 0) this.byOwner.delete(owner);
  }
}

function uidOf({ metadata }: AnyObject): string {
  return metadata.uid ?? '';
}
