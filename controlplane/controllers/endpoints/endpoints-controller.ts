/**
 * Keeps the Endpoints object (the older form of EndpointSlices) of every service that selects pods.
 */
import type { Endpoints, Pod, Service } from '../../../proto/api/core-v1.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { endpoints, pods, services } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { keyOf, splitKey } from '../../../machinery/meta/object.ts';
import { absent } from '../../../machinery/meta/status-error-from.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { ensure } from '../runtime/ensure.ts';
import { hasPodSelector } from '../runtime/plan/service-endpoints.ts';
import { ServicePods } from '../runtime/service-pods.ts';
import { TriggerTimes } from '../runtime/trigger-times.ts';
import { MANAGED_BY, MANAGER, planEndpoints } from './plan.ts';

export class EndpointsController implements Controller, Reconciler {
  readonly name = 'endpoint-controller';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly services: Informer<Service>;
  private readonly pods: Informer<Pod>;
  private readonly endpoints: Informer<Endpoints>;
  private readonly servicePods: ServicePods;
  private readonly triggers = new TriggerTimes();

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.services = context.informers.informer(services);
    this.pods = context.informers.informer(pods);
    this.endpoints = context.informers.informer(endpoints);
    this.servicePods = new ServicePods({ queue: this.queue, services: this.services, pods: this.pods });
    const wake = (object: Endpoints): void => {
      if (object.metadata.labels?.[MANAGED_BY] === MANAGER) this.queue.add(keyOf(object));
    };
    this.endpoints.addHandler({ onAdd: wake, onUpdate: (_older, object) => wake(object), onDelete: wake });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    const informers = [this.services, this.pods, this.endpoints];
    return runQueue({ name, context, queue, reconciler: this, informers }, signal);
  }

  async reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { namespace, name } = splitKey(key);
    const { client } = this.context;
    const service = this.services.lister.get(namespace, name);
    const old = this.endpoints.lister.get(namespace, name);
    if (service === undefined) {
      this.triggers.forget(key);
      if (old?.metadata.labels?.[MANAGED_BY] === MANAGER) await this.remove(old, signal);
      return 'awaitChange';
    }
    if (service.metadata.deletionTimestamp !== undefined || !hasPodSelector(service)) return 'awaitChange';
    const selected = this.servicePods.of(service);
    const next = planEndpoints(service, selected, old, this.triggers.next(service, selected));
    if (next === undefined) return 'awaitChange';
    if (old === undefined) await ensure(client, endpoints, next, signal);
    else await client.of(endpoints).update(next, { signal });
    return 'awaitChange';
  }

  private async remove(object: Endpoints, signal: AbortSignal): Promise<void> {
    const { namespace, name = '', uid } = object.metadata;
    await this.context.client
      .of(endpoints)
      .delete({ namespace, name }, { preconditions: { uid }, signal })
      .catch(absent);
  }
}
