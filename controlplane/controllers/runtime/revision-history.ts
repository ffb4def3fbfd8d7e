/**
 * Keeps the ControllerRevisions of owners: one for every template that they had.
 */
import type { ControllerRevision } from '../../../proto/api/apps-v1.ts';
import type { PodTemplateSpec } from '../../../proto/api/core-v1.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import { controllerRevisions, type AnyObject, type Resource } from '../../../machinery/client/resource.ts';
import type { WorkQueue } from '../../../machinery/client/work-queue.ts';
import type { LabelSelector } from '../../../machinery/meta/label-selector.ts';
import { controllerOf, objectKey } from '../../../machinery/meta/object.ts';
import { absent, isAlreadyExists } from '../../../machinery/meta/status-error-from.ts';
import { addOwnerIndexes, claimChildren } from './child-claims.ts';
import type { ControllerContext } from './controller.ts';
import { isSameData, newRevision, planHistory, revisionsToClean } from './plan/revisions.ts';

/** An owner and what its history depends on. */
export interface HistoryOwner<T extends AnyObject> {
  owner: T;
  template: PodTemplateSpec;
  selector: LabelSelector;
  collisionCount: number | undefined;
}

export interface History {
  current: ControllerRevision;
  /** Oldest first. */
  old: ControllerRevision[];
}

/** Another template has the same hash: the owner must raise its collisionCount. */
export class HashCollisionError extends Error {
  override readonly name = 'HashCollisionError';
}

export class RevisionHistory<T extends AnyObject> {
  readonly informer: Informer<ControllerRevision>;
  private readonly context: ControllerContext;
  private readonly resource: Resource<T>;

  constructor(context: ControllerContext, resource: Resource<T>, queue: WorkQueue) {
    this.context = context;
    this.resource = resource;
    this.informer = context.informers.informer(controllerRevisions);
    addOwnerIndexes(this.informer);
    const wake = (revision: ControllerRevision): void => {
      const owner = controllerOf(revision);
      if (owner?.kind === resource.kind) queue.add(objectKey(revision.metadata.namespace, owner.name));
    };
    this.informer.addHandler({ onUpdate: (_older, revision) => wake(revision), onDelete: wake });
  }

  /** The history with today's template as `current`: made or numbered anew where it has to be. @throws HashCollisionError */
  async sync(options: HistoryOwner<T>, signal: AbortSignal): Promise<History> {
    const { owner, template, selector, collisionCount } = options;
    const { client } = this.context;
    const claim = { client, owner, ownerResource: this.resource, informer: this.informer, signal };
    const isMember = ({ metadata }: ControllerRevision): boolean => selector.matches(metadata.labels);
    const { owned, adopted } = await claimChildren({ ...claim, isMember });
    const { current, renumber, nextRevision, old } = planHistory(template, [...owned, ...adopted]);
    if (current === undefined) {
      return {
        current: await this.create(newRevision(owner, this.resource, template, nextRevision, collisionCount), signal),
        old,
      };
    }
    if (!renumber) return { current, old };
    return { current: await client.of(controllerRevisions).update(current, { signal }), old };
  }

  /** Deletes the oldest of `old`, never those that live, until no more than `limit` are left. */
  async clean(
    old: readonly ControllerRevision[],
    isLive: (revision: ControllerRevision) => boolean,
    limit: number | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    for (const { metadata } of revisionsToClean(old, isLive, limit ?? 10)) {
      const { namespace, name = '', uid } = metadata;
      await this.context.client
        .of(controllerRevisions)
        .delete({ namespace, name }, { preconditions: { uid }, signal })
        .catch(absent);
    }
  }

  private async create(revision: ControllerRevision, signal: AbortSignal): Promise<ControllerRevision> {
    const client = this.context.client.of(controllerRevisions);
    try {
      return await client.create(revision, { signal });
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      const { namespace, name = '' } = revision.metadata;
      const there = await client.get({ namespace, name }, signal);
      // Made by a run before this one, and not in the informer yet.
      if (isSameData(there.data, revision.data) && controllerOf(there)?.uid === controllerOf(revision)?.uid)
        return there;
      throw new HashCollisionError(`${name} exists and is of another template`);
    }
  }
}
