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
import { compileLabelSelector } from '../../../machinery/meta/label-selector.ts';
import { controllerOf, keyOf, objectKey, splitKey } from '../../../machinery/meta/object.ts';
import { addOwnerIndexes, BY_CONTROLLER, claimChildren } from '../runtime/child-claims.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { isPodTerminal } from '../runtime/plan/pod-state.ts';
import { sameStatus } from '../runtime/plan/same-status.ts';
import { byAge, findNewSet } from './plan/revisions.ts';
import { isScaling, planRecreateDown, planRolling, planScale, replicasOf } from './plan/sizes.ts';
import { isComplete, planStatus } from './plan/status.ts';
import { ReplicaSetWrites, type Rollout } from './replica-set-writes.ts';

export class DeploymentController implements Controller, Reconciler {
  readonly name = 'deployment-controller';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly writes: ReplicaSetWrites;
  private readonly deployments: Informer<Deployment>;
  private readonly sets: Informer<ReplicaSet>;
  private readonly pods: Informer<Pod>;

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.writes = new ReplicaSetWrites(context);
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
    this.pods.addHandler({
      onUpdate: (older, pod) => (isPodTerminal(pod) && !isPodTerminal(older) ? this.onPodEnded(pod) : undefined),
      onDelete: pod => this.onPodEnded(pod),
    });
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
    const isMember = ({ metadata }: ReplicaSet): boolean => selector.matches(metadata.labels);
    const claim = { client, owner: deployment, ownerResource: deployments, informer: this.sets, isMember, signal };
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
    await this.writes.syncRevision(rollout);
    const all = rollout.newSet === undefined ? oldSets : [...oldSets, rollout.newSet];
    if (paused || isScaling(deployment, all)) {
      await this.writes.resize(rollout, planScale(deployment, rollout.newSet, oldSets));
      if (paused) await this.writes.cleanUp(rollout);
      return this.tell(rollout, false);
    }
    const recreate = deployment.spec?.strategy?.type === 'Recreate';
    return recreate ? this.recreate(rollout) : this.roll(rollout);
  }

  private async roll(rollout: Rollout): Promise<ReconcileResult> {
    const { deployment, oldSets } = rollout;
    const newSet = await this.newSetOf(rollout);
    await this.writes.resize(rollout, planRolling(deployment, newSet, oldSets));
    return this.finish(rollout);
  }

  private async recreate(rollout: Rollout): Promise<ReconcileResult> {
    const { deployment, oldSets } = rollout;
    const down = planRecreateDown(oldSets);
    if (down.length > 0) {
      await this.writes.resize(rollout, down);
      return this.tell(rollout, true);
    }
    if (oldSets.some(set => (set.status?.replicas ?? 0) > 0 || this.hasLivePods(set))) return this.tell(rollout, true);
    const newSet = await this.newSetOf(rollout);
    const desired = deployment.spec?.replicas ?? 1;
    if (replicasOf(newSet) !== desired) await this.writes.resize(rollout, [{ set: newSet, replicas: desired }]);
    return this.finish(rollout);
  }

  private async newSetOf(rollout: Rollout): Promise<ReplicaSet> {
    if (rollout.newSet !== undefined) return rollout.newSet;
    try {
      return await this.writes.createNewSet(rollout);
    } catch (error) {
      if (rollout.progress?.kind === 'failedCreate') await this.tell(rollout, true);
      throw error;
    }
  }

  private async finish(rollout: Rollout): Promise<ReconcileResult> {
    if (isComplete(rollout.deployment, rollout.deployment.status ?? {})) await this.writes.cleanUp(rollout);
    return this.tell(rollout, true);
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

  private onPodEnded(pod: Pod): void {
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
