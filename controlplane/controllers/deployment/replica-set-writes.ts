/**
 * What a Deployment's controller writes of ReplicaSets: makes the new one, gives it its revision, resizes, cleans up. Each write carries the
 * version that it was decided on, and what it brought stands in the rollout afterwards.
 */
import type { Deployment, ReplicaSet } from '../../../proto/api/apps-v1.ts';
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import { deployments, replicaSets } from '../../../machinery/client/resource.ts';
import { errorText } from '../../../machinery/meta/error-text.ts';
import { isControlledBy } from '../../../machinery/meta/object.ts';
import { absent, hasReason, isAlreadyExists } from '../../../machinery/meta/status-error-from.ts';
import type { ControllerContext } from '../runtime/controller.ts';
import { isNamespaceTerminating } from '../runtime/namespace-terminating.ts';
import {
  buildNewSet,
  newSetAnnotations,
  nextRevision,
  REVISION,
  sameTemplate,
  setsToClean,
  sizeAnnotations,
} from './plan/revisions.ts';
import { isScaling, newSetReplicas, replicasOf, type Resize } from './plan/sizes.ts';
import { failedCreate, type Progress } from './plan/status.ts';

/** What one run works on. */
export interface Rollout {
  deployment: Deployment;
  newSet: ReplicaSet | undefined;
  /** Oldest first. */
  oldSets: ReplicaSet[];
  progress: Progress;
  signal: AbortSignal;
}

export class ReplicaSetWrites {
  private readonly context: ControllerContext;

  constructor(context: ControllerContext) {
    this.context = context;
  }

  /** Gives the new set, if there is one, its revision and annotations, and the Deployment the same revision. */
  async syncRevision(rollout: Rollout): Promise<void> {
    const { deployment, newSet, oldSets } = rollout;
    if (newSet === undefined) return;
    const annotations = newSetAnnotations(deployment, newSet, nextRevision(oldSets));
    const minReadySeconds = deployment.spec?.minReadySeconds ?? 0;
    if (annotations !== newSet.metadata.annotations || (newSet.spec?.minReadySeconds ?? 0) !== minReadySeconds) {
      await this.put(rollout, newSet, annotations, { ...newSet.spec, minReadySeconds });
    }
    rollout.progress ??= { kind: 'found', set: newSet.metadata.name ?? '' };
    await this.setRevision(rollout, annotations[REVISION] ?? '1');
  }

  /** @throws StatusError, told of in the rollout and by an event if it is more than a race */
  async createNewSet(rollout: Rollout): Promise<ReplicaSet> {
    const { deployment, oldSets, signal } = rollout;
    const revision = nextRevision(oldSets);
    const replicas = newSetReplicas(deployment, oldSets, 0);
    const wanted = buildNewSet(deployment, replicas, revision);
    const { name = '' } = wanted.metadata;
    let made: ReplicaSet;
    try {
      made = await this.context.client.of(replicaSets).create(wanted, { signal });
      rollout.progress = { kind: 'created', set: name };
      if (replicas > 0) this.tell(deployment, 'Normal', 'ScalingReplicaSet', scaled('up', name, 0, replicas));
    } catch (error) {
      if (isAlreadyExists(error)) made = await this.resolveCollision(rollout, wanted);
      else {
        if (signal.aborted || hasReason(error, 'NotFound') || isNamespaceTerminating(error)) throw error;
        const why = errorText(error);
        rollout.progress = { kind: 'failedCreate', set: name, why };
        this.tell(deployment, 'Warning', 'ReplicaSetCreateError', failedCreate(name, why));
        throw error;
      }
    }
    rollout.newSet = made;
    await this.setRevision(rollout, String(revision));
    return made;
  }

  async resize(rollout: Rollout, resizes: readonly Resize[]): Promise<void> {
    const { deployment } = rollout;
    for (const { set, replicas } of resizes) {
      const before = replicasOf(set);
      await this.put(
        rollout,
        set,
        { ...set.metadata.annotations, ...sizeAnnotations(deployment) },
        { ...set.spec, replicas },
      );
      const text = scaled(replicas > before ? 'up' : 'down', set.metadata.name ?? '', before, replicas);
      this.tell(deployment, 'Normal', 'ScalingReplicaSet', text);
    }
    if (resizes.length === 0) await this.rememberSizes(rollout);
  }

  /** Deletes old sets beyond the limit of history. */
  async cleanUp({ deployment, oldSets, signal }: Rollout): Promise<void> {
    for (const set of setsToClean(deployment, oldSets)) {
      const { namespace, name = '', uid, resourceVersion } = set.metadata;
      const preconditions = { uid, resourceVersion };
      await this.context.client.of(replicaSets).delete({ namespace, name }, { preconditions, signal }).catch(absent);
    }
  }

  /** Sets that keep their size while the Deployment's changed must still remember the new one. */
  private async rememberSizes(rollout: Rollout): Promise<void> {
    const { deployment } = rollout;
    const all = rollout.newSet === undefined ? rollout.oldSets : [...rollout.oldSets, rollout.newSet];
    for (const set of all.filter(s => isScaling(deployment, [s]))) {
      await this.put(rollout, set, { ...set.metadata.annotations, ...sizeAnnotations(deployment) }, set.spec);
    }
  }

  private async put(
    rollout: Rollout,
    set: ReplicaSet,
    annotations: Record<string, string>,
    spec: ReplicaSet['spec'],
  ): Promise<void> {
    const next: ReplicaSet = { ...set, metadata: { ...set.metadata, annotations }, spec };
    const updated = await this.context.client.of(replicaSets).update(next, { signal: rollout.signal });
    if (rollout.newSet === set) rollout.newSet = updated;
    else rollout.oldSets = rollout.oldSets.map(old => (old === set ? updated : old));
  }

  private async setRevision(rollout: Rollout, revision: string): Promise<void> {
    const { deployment, signal } = rollout;
    if (deployment.metadata.annotations?.[REVISION] === revision) return;
    const annotations = { ...deployment.metadata.annotations, [REVISION]: revision };
    const next = { ...deployment, metadata: { ...deployment.metadata, annotations } };
    rollout.deployment = await this.context.client.of(deployments).update(next, { signal });
  }

  /** A set of that name exists: ours, made by a run whose result we have not seen yet, or another's by chance. */
  private async resolveCollision(rollout: Rollout, wanted: ReplicaSet): Promise<ReplicaSet> {
    const { deployment, signal } = rollout;
    const { client } = this.context;
    const { namespace, name = '' } = wanted.metadata;
    const found = await client.of(replicaSets).get({ namespace, name }, signal);
    if (isControlledBy(found, deployment) && sameTemplate(found.spec?.template, deployment.spec?.template))
      return found;
    const collisionCount = (deployment.status?.collisionCount ?? 0) + 1;
    const status = { ...deployment.status, collisionCount };
    await client.of(deployments).updateStatus({ ...deployment, status }, { signal });
    throw new Error(`replica set ${name} belongs to something else; taking another name`);
  }

  private tell(deployment: Deployment, type: 'Normal' | 'Warning', reason: string, text: string): void {
    this.context.events.event(subjectOf(deployments, deployment), type, reason, text);
  }
}

function scaled(direction: 'up' | 'down', set: string, before: number, after: number): string {
  return `Scaled ${direction} replica set ${set} from ${before} to ${after}`;
}
