/**
 * Gives every namespace its `default` ServiceAccount. Source: upstream `pkg/controller/serviceaccount/serviceaccounts_controller.go`.
 */
import type { Namespace, ServiceAccount } from '../../../proto/api/core-v1.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { namespaces, serviceAccounts } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { ensure } from '../runtime/ensure.ts';

const NAME = 'default';

export class ServiceAccountController implements Controller, Reconciler {
  readonly name = 'service-account-controller';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly namespaces: Informer<Namespace>;
  private readonly accounts: Informer<ServiceAccount>;

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.namespaces = context.informers.informer(namespaces);
    this.accounts = context.informers.informer(serviceAccounts);
    const wake = (namespace: Namespace): void => this.queue.add(namespace.metadata.name ?? '');
    this.namespaces.addHandler({ onAdd: wake, onUpdate: (_older, namespace) => wake(namespace) });
    this.accounts.addHandler({
      onDelete: account => {
        if (account.metadata.name === NAME) this.queue.add(account.metadata.namespace ?? '');
      },
    });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    return runQueue({ name, context, queue, reconciler: this, informers: [this.namespaces, this.accounts] }, signal);
  }

  async reconcile(namespace: string, signal: AbortSignal): Promise<ReconcileResult> {
    const found = this.namespaces.lister.get(undefined, namespace);
    if (found === undefined || found.metadata.deletionTimestamp !== undefined) return 'awaitChange';
    if (this.accounts.lister.get(namespace, NAME) !== undefined) return 'awaitChange';
    await ensure(this.context.client, serviceAccounts, { metadata: { namespace, name: NAME } }, signal);
    return 'awaitChange';
  }
}
