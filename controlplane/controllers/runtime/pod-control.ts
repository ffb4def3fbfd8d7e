/**
 * Makes and deletes the pods of owners, tells of it in events, and remembers what the informer does not show yet.
 *
 * - No pod is made twice: its name is chosen here, so that a creation whose answer got lost is repeated under the same name.
 * - No pod is deleted that is not the owner's: a deletion names the version that it was decided on, or one that was looked at again.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import { pods, type AnyObject, type Resource } from '../../../machinery/client/resource.ts';
import type { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { errorText } from '../../../machinery/meta/error-text.ts';
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import { randomSuffix } from '../../../machinery/meta/name-hash.ts';
import { isControlledBy, isDeleting, keyOf } from '../../../machinery/meta/object.ts';
import { hasReason, isAlreadyExists, isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { StatusError } from '../../../machinery/meta/status-error.ts';
import type { ControllerContext } from './controller.ts';
import { isNamespaceTerminating } from './namespace-terminating.ts';
import { PendingWrites, REVIEW_MS } from './pending-writes.ts';

/** What events say. @param error undefined: it went well */
export interface PodTexts {
  create(owner: AnyObject, pod: string, error: string | undefined): string;
  delete(owner: AnyObject, pod: string, error: string | undefined): string;
}

const TEXTS: PodTexts = {
  create: (_owner, pod, error) => (error === undefined ? `Created pod: ${pod}` : `Error creating: ${error}`),
  delete: (_owner, pod, error) => (error === undefined ? `Deleted pod: ${pod}` : `Error deleting: ${error}`),
};

/** The server cuts longer beginnings of names that it completes, too. */
const LONGEST_BEGINNING = 58;
/** A pod that changes under the hand of who deletes it is looked at again so often, then in another run. */
const MOST_LOOKS = 3;

export interface PodControlOptions<T extends AnyObject> {
  context: ControllerContext;
  queue: WorkQueue;
  resource: Resource<T>;
  pods: Informer<Pod>;
  texts?: PodTexts | undefined;
}

export class PodControl<T extends AnyObject> {
  readonly pending: PendingWrites<Pod>;
  private readonly options: PodControlOptions<T>;
  private readonly texts: PodTexts;

  constructor(options: PodControlOptions<T>) {
    this.options = options;
    this.texts = options.texts ?? TEXTS;
    this.pending = new PendingWrites(options.context.clock);
  }

  /** @throws StatusError; not for a namespace that is going away: the owner goes with it */
  async create(owner: T, pod: Pod, signal: AbortSignal): Promise<void> {
    const ownerUid = owner.metadata.uid ?? '';
    const draft = this.pending.takeDraft(ownerUid, old => isDraftOf(old, pod)) ?? named(pod);
    const name = draft.metadata.name ?? '';
    try {
      this.noteAdded(owner, await this.options.context.client.of(pods).create(draft, { signal }));
      this.tell(owner, 'Normal', 'SuccessfulCreate', this.texts.create(owner, name, undefined));
    } catch (error) {
      if (isNamespaceTerminating(error)) return;
      if (signal.aborted) throw error;
      if (isAlreadyExists(error) && (await this.adoptOwn(owner, draft, signal))) return;
      if (isUnknownOutcome(error)) this.pending.noteDraft(ownerUid, draft);
      this.tell(owner, 'Warning', 'FailedCreate', this.texts.create(owner, name, errorText(error)));
      throw error;
    }
  }

  /** That the pod is gone already, or another's by now, is fine. @throws StatusError */
  async delete(owner: T, pod: Pod, signal: AbortSignal): Promise<void> {
    const { name = '' } = pod.metadata;
    const ownerUid = owner.metadata.uid ?? '';
    this.noteRemoved(owner, pod);
    try {
      if (!(await this.deleteOwn(owner, pod, signal))) return;
      this.tell(owner, 'Normal', 'SuccessfulDelete', this.texts.delete(owner, name, undefined));
    } catch (error) {
      if (isUnknownOutcome(error)) this.pending.doubtRemoved(ownerUid, pod);
      else this.pending.seen(ownerUid, pod, true);
      if (!signal.aborted) {
        this.tell(owner, 'Warning', 'FailedDelete', this.texts.delete(owner, name, errorText(error)));
      }
      throw error;
    }
  }

  /** Asks the server for what the informer should have shown long since. @throws StatusError */
  async review(owner: T, signal: AbortSignal): Promise<void> {
    const ownerUid = owner.metadata.uid ?? '';
    for (const pod of this.pending.due(ownerUid)) {
      const fresh = await this.fresh(pod, signal);
      const isOwned = fresh !== undefined && !isDeleting(fresh) && isControlledBy(fresh, owner);
      const shown = this.shown(owner, pod);
      this.pending.settle(ownerUid, pod, isOwned, shown !== undefined && !isDeleting(shown));
    }
    if (this.pending.has(ownerUid)) this.wakeLater(owner);
  }

  /** The pod is the owner's now, whatever the informer says. */
  noteAdded(owner: T, pod: Pod): void {
    if (this.shown(owner, pod) !== undefined) return;
    this.pending.noteAdded(owner.metadata.uid ?? '', pod);
    this.wakeLater(owner);
  }

  /** The pod has been let go. */
  noteReleased(owner: T, pod: Pod): void {
    if (this.shown(owner, pod) !== undefined) this.noteRemoved(owner, pod);
  }

  private noteRemoved(owner: T, pod: Pod): void {
    this.pending.noteRemoved(owner.metadata.uid ?? '', pod);
    this.wakeLater(owner);
  }

  /** The informer may never show it: what came and went while a watch was broken. */
  private wakeLater(owner: T): void {
    this.options.queue.addAfter(keyOf(owner), REVIEW_MS);
  }

  /** A pod of that name is there. @returns whether it is the one that this was to become, made by a call whose answer got lost */
  private async adoptOwn(owner: T, draft: Pod, signal: AbortSignal): Promise<boolean> {
    const { namespace, name = '' } = draft.metadata;
    const found = await this.fresh({ ...draft, metadata: { namespace, name } }, signal);
    if (found === undefined || isDeleting(found) || !isControlledBy(found, owner)) return false;
    this.noteAdded(owner, found);
    // It may have been counted before: who asked for one more has to count again.
    this.options.queue.add(keyOf(owner));
    return true;
  }

  /** @returns false if the pod was gone, going or another's */
  private async deleteOwn(owner: T, pod: Pod, signal: AbortSignal): Promise<boolean> {
    const client = this.options.context.client.of(pods);
    const { namespace, name = '', uid } = pod.metadata;
    let { resourceVersion } = pod.metadata;
    for (let look = 1; ; look++) {
      try {
        await client.delete({ namespace, name }, { preconditions: { uid, resourceVersion }, signal });
        return true;
      } catch (error) {
        if (isNotFound(error)) return false;
        if (!hasReason(error, 'Conflict') || look === MOST_LOOKS) throw error;
      }
      const fresh = await this.fresh(pod, signal);
      if (fresh === undefined || isDeleting(fresh) || !isControlledBy(fresh, owner)) return false;
      ({ resourceVersion } = fresh.metadata);
    }
  }

  /** The pod as the server has it now; undefined if it is gone, or another one has its name. */
  private async fresh({ metadata }: Pod, signal: AbortSignal): Promise<Pod | undefined> {
    const { namespace, name = '', uid } = metadata;
    try {
      const found = await this.options.context.client.of(pods).get({ namespace, name }, signal);
      return uid === undefined || found.metadata.uid === uid ? found : undefined;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** The pod as the informer shows it, if as the owner's. */
  private shown(owner: T, { metadata }: Pod): Pod | undefined {
    const found = this.options.pods.lister.get(metadata.namespace, metadata.name ?? '');
    if (found === undefined || found.metadata.uid !== metadata.uid) return undefined;
    return isControlledBy(found, owner) ? found : undefined;
  }

  private tell(owner: T, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.options.context.events.event(subjectOf(this.options.resource, owner), type, reason, message);
  }
}

/** The pod with a name of its own, as the server would complete it. */
function named(pod: Pod): Pod {
  const { name, generateName = '' } = pod.metadata;
  if (name !== undefined) return pod;
  return { ...pod, metadata: { ...pod.metadata, name: generateName.slice(0, LONGEST_BEGINNING) + randomSuffix() } };
}

/** Whether `draft` is `pod` with a name. */
function isDraftOf(draft: Pod, pod: Pod): boolean {
  const { name, ...metadata } = draft.metadata;
  return jsonEquals({ ...draft, metadata: pod.metadata.name === undefined ? metadata : { ...metadata, name } }, pod);
}

/** Whether what was asked for may have happened although there was an error. */
function isUnknownOutcome(error: unknown): boolean {
  return (
    !(error instanceof StatusError) ||
    hasReason(error, 'Timeout', 'ServerTimeout', 'ServiceUnavailable', 'InternalError')
  );
}
