/**
 * Rolls a Deployment's template out through ReplicaSets.
 *
 * Each run takes at most one step (make the new set, resize some sets, or clean up) and tells the status; what it wrote comes back as a change
 * and leads to the next. Writes carry the resourceVersion they were decided on, so a decision on old knowledge fails and is made anew.
 * Source: the behaviour of upstream `pkg/controller/deployment`.
 */
import type { Deployment, ReplicaSet } from '../../../proto/api/apps-v1.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { deployments, pods, replicaSets } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { errorText } from '../../../machinery/meta/error-text.ts';
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import { compileLabelSelector } from '../../../machinery/meta/label-selector.ts';
import { controllerOf, isControlledBy, keyOf, objectKey, splitKey } from '../../../machinery/meta/object.ts';
import { hasReason, isAlreadyExists, isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { addOwnerIndexes, BY_CONTROLLER, claimChildren } from '../runtime/child-claims.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { isPodTerminal } from '../runtime/plan/pod-state.ts';
import { sameStatus } from '../runtime/plan/same-status.ts';
import {
  buildNewSet,
  byAge,
  findNewSet,
  newSetAnnotations,
  nextRevision,
  REVISION,
  sameTemplate,
  setsToClean,
  sizeAnnotations,
} from './plan/revisions.ts';
import {
  isScaling,
  newSetReplicas,
  planRecreateDown,
  planRolling,
  planScale,
  replicasOf,
  type Resize,
} from './plan/sizes.ts';
import { isComplete, planStatus, type Progress } from './plan/status.ts';

/** What one run works on. */
interface Rollout {
  deployment: Deployment;
  newSet: ReplicaSet | undefined;
  oldSets: ReplicaSet[];
  progress: Progress;
  signal: AbortSignal;
}

export class DeploymentController implements Controller, Reconciler {
  readonly name = 'deployment-controller';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly deployments: Informer<Deployment>;
  private readonly sets: Informer<ReplicaSet>;
  private readonly pods: Informer<Pod>;

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.deployments = context.informers.informer(deployments);
    this.sets = context.informers.informer(replicaSets);
    this.pods = context.informers.informer(pods);
    addOwnerIndexes(this.sets);
    addOwnerIndexes(this.pods);
    this.deployments.addHandler({
      onAdd: deployment => this.queue.add(keyOf(deployment)),
      onUpdate: (_older, deployment) => this.queue.add(keyOf(deployment)),
    });
    this.sets.addHandler({
      onAdd: set => this.onSet(set),
      onUpdate: (older, set) => {
        if (controllerOf(older)?.uid !== controllerOf(set)?.uid) this.onSet(older);
        this.onSet(set);
      },
      onDelete: set => this.onSet(set),
    });
    // Recreate waits for the last old pod to be gone.
    this.pods.addHandler({ onDelete: pod => this.onPodGone(pod) });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    const informers = [this.deployments, this.sets, this.pods];
    return runQueue({ name, context, queue, reconciler: this, informers, workers: 8 }, signal);
  }

  async reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { namespace, name } = splitKey(key);
    const deployment = this.deployments.lister.get(namespace, name);
    if (deployment === undefined) return 'awaitChange';
    const selector = compileLabelSelector(deployment.spec?.selector);
    if (selector.isEmpty) {
      const why = 'This deployment is selecting all pods. A non-empty selector is required.';
      this.context.events.event(subjectOf(deployments, deployment), 'Warning', 'SelectingAll', why);
      return 'awaitChange';
    }
    const { client } = this.context;
    const claim = { client, owner: deployment, ownerResource: deployments, selector, informer: this.sets, signal };
    const { owned, adopted } = await claimChildren(claim);
    const sets = [...owned, ...adopted];
    const newSet = findNewSet(deployment, sets);
    const oldSets = byAge(sets).filter(set => set !== newSet);
    const rollout: Rollout = { deployment, newSet, oldSets, progress: undefined, signal };
    if (deployment.metadata.deletionTimestamp !== undefined) return this.tell(rollout, false);
    return this.step(rollout);
  }

  private async step(rollout: Rollout): Promise<ReconcileResult> {
    const { deployment, oldSets } = rollout;
    const paused = deployment.spec?.paused === true;
    const told = deployment.status?.conditions?.find(c => c.type === 'Progressing')?.reason;
    if (paused) rollout.progress = { kind: 'paused' };
    else if (told === 'DeploymentPaused') rollout.progress = { kind: 'resumed' };
    await this.syncRevision(rollout);
    const all = rollout.newSet === undefined ? oldSets : [...oldSets, rollout.newSet];
    if (paused || isScaling(deployment, all)) {
      await this.resize(rollout, planScale(deployment, rollout.newSet, oldSets));
      if (paused) await this.cleanUp(rollout);
      return this.tell(rollout, false);
    }
    const recreate = deployment.spec?.strategy?.type === 'Recreate';
    return recreate ? this.recreate(rollout) : this.roll(rollout);
  }

  private async roll(rollout: Rollout): Promise<ReconcileResult> {
    const { deployment, oldSets } = rollout;
    const newSet = rollout.newSet ?? (await this.createNewSet(rollout));
    await this.resize(rollout, planRolling(deployment, newSet, oldSets));
    return this.finish(rollout);
  }

  private async recreate(rollout: Rollout): Promise<ReconcileResult> {
    const { deployment, oldSets } = rollout;
    const down = planRecreateDown(oldSets);
    if (down.length > 0) {
      await this.resize(rollout, down);
      return this.tell(rollout, true);
    }
    if (oldSets.some(set => this.hasLivePods(set))) return this.tell(rollout, true);
    const newSet = rollout.newSet ?? (await this.createNewSet(rollout));
    const desired = deployment.spec?.replicas ?? 1;
    if (replicasOf(newSet) !== desired) await this.resize(rollout, [{ set: newSet, replicas: desired }]);
    return this.finish(rollout);
  }

  private async finish(rollout: Rollout): Promise<ReconcileResult> {
    if (isComplete(rollout.deployment, rollout.deployment.status ?? {})) await this.cleanUp(rollout);
    return this.tell(rollout, true);
  }

  /** Gives the new set, if there is one, its revision and annotations, and the Deployment the same revision. */
  private async syncRevision(rollout: Rollout): Promise<void> {
    const { deployment, newSet, oldSets, signal } = rollout;
    if (newSet === undefined) return;
    const annotations = newSetAnnotations(deployment, newSet, nextRevision(oldSets));
    const minReadySeconds = deployment.spec?.minReadySeconds;
    if (annotations !== newSet.metadata.annotations || (newSet.spec?.minReadySeconds ?? 0) !== (minReadySeconds ?? 0)) {
      // Sizes are remembered by the resize, or a scaling would never be seen.
      const kept = isScaling(deployment, [newSet])
        ? pick(newSet.metadata.annotations, sizeAnnotations(deployment))
        : {};
      const metadata = { ...newSet.metadata, annotations: { ...annotations, ...kept } };
      const next = { ...newSet, metadata, spec: { ...newSet.spec, minReadySeconds } };
      if (!jsonEquals(next, newSet))
        rollout.newSet = await this.context.client.of(replicaSets).update(next, { signal });
    }
    if (rollout.progress === undefined) rollout.progress = { kind: 'found', set: newSet.metadata.name ?? '' };
    await this.setRevision(rollout, annotations[REVISION] ?? '1');
  }

  private async setRevision(rollout: Rollout, revision: string): Promise<void> {
    const { deployment, signal } = rollout;
    if (deployment.metadata.annotations?.[REVISION] === revision) return;
    const annotations = { ...deployment.metadata.annotations, [REVISION]: revision };
    const next = { ...deployment, metadata: { ...deployment.metadata, annotations } };
    rollout.deployment = await this.context.client.of(deployments).update(next, { signal });
  }

  private async createNewSet(rollout: Rollout): Promise<ReplicaSet> {
    const { deployment, oldSets, signal } = rollout;
    const { client, events } = this.context;
    const revision = nextRevision(oldSets);
    const replicas = newSetReplicas(deployment, oldSets, 0);
    const set = buildNewSet(deployment, replicas, revision);
    try {
      rollout.newSet = await client.of(replicaSets).create(set, { signal });
      rollout.progress = { kind: 'created', set: set.metadata.name ?? '' };
      if (replicas > 0) {
        const text = `Scaled up replica set ${set.metadata.name} from 0 to ${replicas}`;
        events.event(subjectOf(deployments, deployment), 'Normal', 'ScalingReplicaSet', text);
      }
    } catch (error) {
      if (isAlreadyExists(error)) rollout.newSet = await this.resolveCollision(rollout, set);
      else if (signal.aborted || hasReason(error, 'NotFound')) throw error;
      else {
        const message = errorText(error);
        rollout.progress = { kind: 'failedCreate', message };
        events.event(subjectOf(deployments, deployment), 'Warning', 'ReplicaSetCreateError', message);
        await this.tell(rollout, true);
        throw error;
      }
    }
    await this.setRevision(rollout, String(revision));
    return rollout.newSet;
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

  private async resize(rollout: Rollout, resizes: readonly Resize[]): Promise<void> {
    const { deployment, signal } = rollout;
    const { client, events } = this.context;
    for (const { set, replicas } of resizes) {
      const before = replicasOf(set);
      const annotations = { ...set.metadata.annotations, ...sizeAnnotations(deployment) };
      const next = { ...set, metadata: { ...set.metadata, annotations }, spec: { ...set.spec, replicas } };
      const updated = await client.of(replicaSets).update(next, { signal });
      if (rollout.newSet === set) rollout.newSet = updated;
      else rollout.oldSets = rollout.oldSets.map(old => (old === set ? updated : old));
      const direction = replicas > before ? 'up' : 'down';
      const text = `Scaled ${direction} replica set ${set.metadata.name} from ${before} to ${replicas}`;
      events.event(subjectOf(deployments, deployment), 'Normal', 'ScalingReplicaSet', text);
    }
    if (resizes.length === 0) await this.rememberSizes(rollout);
  }

  /** Sets that keep their size while the Deployment's changed must still remember the new one. */
  private async rememberSizes(rollout: Rollout): Promise<void> {
    const { deployment, signal } = rollout;
    const all = rollout.newSet === undefined ? rollout.oldSets : [...rollout.oldSets, rollout.newSet];
    for (const set of all.filter(s => isScaling(deployment, [s]))) {
      const annotations = { ...set.metadata.annotations, ...sizeAnnotations(deployment) };
      const next = { ...set, metadata: { ...set.metadata, annotations } };
      const updated = await this.context.client.of(replicaSets).update(next, { signal });
      if (rollout.newSet === set) rollout.newSet = updated;
      else rollout.oldSets = rollout.oldSets.map(old => (old === set ? updated : old));
    }
  }

  private async cleanUp(rollout: Rollout): Promise<void> {
    const { deployment, oldSets, signal } = rollout;
    for (const set of setsToClean(deployment, oldSets)) {
      const { namespace, name = '', uid } = set.metadata;
      try {
        await this.context.client.of(replicaSets).delete({ namespace, name }, { preconditions: { uid }, signal });
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    }
  }

  private async tell(rollout: Rollout, isRollout: boolean): Promise<ReconcileResult> {
    const { deployment, newSet, oldSets, progress, signal } = rollout;
    const nowMs = this.context.clock.now();
    const { status, afterMs } = planStatus({ deployment, newSet, oldSets, progress, rollout: isRollout, nowMs });
    if (!sameStatus(deployment.status, status)) {
      await this.context.client.of(deployments).updateStatus({ ...deployment, status }, { signal });
    }
    return afterMs === undefined ? 'awaitChange' : { afterMs };
  }

  private hasLivePods(set: ReplicaSet): boolean {
    return this.pods.lister.byIndex(BY_CONTROLLER, set.metadata.uid ?? '').some(pod => !isPodTerminal(pod));
  }

  private onSet(set: ReplicaSet): void {
    const owner = controllerOf(set);
    const namespace = set.metadata.namespace ?? '';
    if (owner?.kind === 'Deployment') this.queue.add(objectKey(namespace, owner.name));
    if (owner !== undefined || set.metadata.deletionTimestamp !== undefined) return;
    for (const deployment of this.deployments.lister.list(namespace)) {
      const selector = compileLabelSelector(deployment.spec?.selector);
      if (!selector.isEmpty && selector.matches(set.metadata.labels)) this.queue.add(keyOf(deployment));
    }
  }

  private onPodGone(pod: Pod): void {
    const owner = controllerOf(pod);
    if (owner?.kind !== 'ReplicaSet') return;
    const set = this.sets.lister.get(pod.metadata.namespace, owner.name);
    const deployment = set === undefined ? undefined : controllerOf(set);
    if (set === undefined || deployment?.kind !== 'Deployment') return;
    const key = objectKey(set.metadata.namespace, deployment.name);
    const found = this.deployments.lister.get(set.metadata.namespace, deployment.name);
    if (found?.spec?.strategy?.type === 'Recreate') this.queue.add(key);
  }
}

/** Of `values` those that `names` has too. */
function pick(values: Record<string, string> | undefined, names: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(values ?? {}).filter(([name]) => name in names));
}
