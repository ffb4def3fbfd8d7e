/**
 * Says of ServiceCIDRs that they are ready, and keeps those whose addresses are in use: a finalizer holds them, and their condition says
 * why. Keys: names of ServiceCIDRs.
 *
 * Addresses are asked for only while a range is to go, and again every few seconds as long as it waits: there may be tens of thousands.
 */
import type { Condition } from '../../../proto/api/meta-v1.ts';
import type { ServiceCIDR } from '../../../proto/api/networking-v1.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { ipAddresses, serviceCidrs } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { isConditionTrue, isDeleting, keyOf, setCondition } from '../../../machinery/meta/object.ts';
import { formatTime, parseTime } from '../../../machinery/meta/time.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { protectedMetadata } from '../runtime/plan/protected-metadata.ts';
import { writeObject, writeStatus } from '../runtime/write-object.ts';
import { FINALIZER, isCovered, orphanOf } from './plan.ts';

/** Until every API server knows that no address is to be had of it any more. */
const GRACE_MS = 10_000;
const IN_USE_MS = 5_000;
const MANAGED = 'ipaddress.kubernetes.io/managed-by=ipallocator.k8s.io';

export class ServiceCidrsController implements Controller, Reconciler {
  readonly name = 'service-cidrs-controller';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly ranges: Informer<ServiceCIDR>;

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.ranges = context.informers.informer(serviceCidrs);
    // One that comes may take the addresses of one that waits to go.
    const wake = (): void => {
      for (const range of this.ranges.lister.list()) this.queue.add(keyOf(range));
    };
    this.ranges.addHandler({ onAdd: wake, onUpdate: wake });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    return runQueue({ name, context, queue, reconciler: this, informers: [this.ranges], workers: 1 }, signal);
  }

  async reconcile(name: string, signal: AbortSignal): Promise<ReconcileResult> {
    const range = this.ranges.lister.get(undefined, name);
    if (range === undefined) return 'awaitChange';
    const { client, clock } = this.context;
    if (isDeleting(range) && !(range.metadata.finalizers ?? []).includes(FINALIZER)) return 'awaitChange';
    if (isDeleting(range)) {
      const isInUse = await this.isInUse(range, signal);
      if (isInUse) {
        const message =
          'There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR';
        await this.say(range, { status: 'False', reason: 'Terminating', message }, signal);
        return { afterMs: IN_USE_MS };
      }
      const leftMs = (parseTime(range.metadata.deletionTimestamp ?? '') ?? 0) + GRACE_MS - clock.now();
      if (leftMs > 0) return { afterMs: leftMs };
    }
    const metadata = protectedMetadata(range.metadata, FINALIZER, false);
    // What it says of itself follows when the write is seen.
    if (metadata !== undefined) await writeObject(client, serviceCidrs, { ...range, metadata }, signal);
    else if (!isConditionTrue(range.status?.conditions, 'Ready'))
      await this.say(range, { status: 'True', reason: '', message: 'Kubernetes Service CIDR is ready' }, signal);
    return 'awaitChange';
  }

  private async isInUse(range: ServiceCIDR, signal: AbortSignal): Promise<boolean> {
    const all = this.ranges.lister.list();
    if (isCovered(range, all)) return false;
    const { items } = await this.context.client.of(ipAddresses).list({ labelSelector: MANAGED, signal });
    const addresses = items.map(({ metadata }) => metadata.name ?? '');
    return orphanOf(range, all, addresses) !== undefined;
  }

  private async say(
    range: ServiceCIDR,
    said: Omit<Condition, 'type' | 'lastTransitionTime'>,
    signal: AbortSignal,
  ): Promise<void> {
    const before = range.status?.conditions;
    const now = formatTime(this.context.clock.now());
    const conditions = setCondition(before, { type: 'Ready', lastTransitionTime: '', ...said }, now);
    if (conditions === before) return;
    const status = { ...range.status, conditions: [...conditions] };
    await writeStatus(this.context.client, serviceCidrs, { ...range, status }, signal);
  }
}
