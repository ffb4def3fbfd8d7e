/**
 * Keeps the rules of every ClusterRole with an aggregationRule.
 */
import type { ClusterRole } from '../../../proto/api/rbac-v1.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { clusterRoles } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { aggregatedRules } from './plan.ts';

const BY_KIND = 'aggregated';

export class RoleAggregationController implements Controller, Reconciler {
  readonly name = 'clusterrole-aggregation-controller';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly roles: Informer<ClusterRole>;

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.roles = context.informers.informer(clusterRoles);
    this.roles.addIndex(BY_KIND, role => (role.aggregationRule === undefined ? [] : [BY_KIND]));
    // Any role may be a part of any aggregated one, and those are few.
    const wakeAll = (): void => {
      for (const role of this.roles.lister.byIndex(BY_KIND, BY_KIND)) this.queue.add(role.metadata.name ?? '');
    };
    this.roles.addHandler({ onAdd: wakeAll, onUpdate: wakeAll, onDelete: wakeAll });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    return runQueue({ name, context, queue, reconciler: this, informers: [this.roles] }, signal);
  }

  async reconcile(name: string, signal: AbortSignal): Promise<ReconcileResult> {
    const role = this.roles.lister.get(undefined, name);
    if (role === undefined || role.metadata.deletionTimestamp !== undefined) return 'awaitChange';
    const rules = aggregatedRules(role, this.roles.lister.list());
    if (rules !== undefined) await this.context.client.of(clusterRoles).update({ ...role, rules }, { signal });
    return 'awaitChange';
  }
}
