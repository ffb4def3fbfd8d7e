/**
 * Keeps the EndpointSlices of every service that selects pods.
 */
import type { Node, Pod, Service } from '../../../proto/api/core-v1.ts';
import type { EndpointSlice } from '../../../proto/api/discovery-v1.ts';
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { endpointSlices, nodes, pods, services } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { SERVICE_NAME_LABEL } from '../../../machinery/meta/endpoint-slices.ts';
import { keyOf, objectKey, splitKey } from '../../../machinery/meta/object.ts';
import { absent, isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { hasPodSelector } from '../runtime/plan/service-endpoints.ts';
import { ServicePods } from '../runtime/service-pods.ts';
import { slowStart } from '../runtime/slow-start.ts';
import { MANAGED_BY, MANAGER, planSlices } from './plan/slice-plan.ts';
import { isNamespaceTerminating } from '../runtime/namespace-terminating.ts';
import { TriggerTimes } from '../runtime/trigger-times.ts';
import { ZoneShares } from './zone-shares.ts';

const BY_SERVICE = 'service';
const ZONE = 'topology.kubernetes.io/zone';

export class EndpointSliceController implements Controller, Reconciler {
  readonly name = 'endpointslice-controller';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly services: Informer<Service>;
  private readonly pods: Informer<Pod>;
  private readonly nodes: Informer<Node>;
  private readonly slices: Informer<EndpointSlice>;
  private readonly servicePods: ServicePods;
  private readonly shares: ZoneShares;
  private readonly triggers = new TriggerTimes();

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.services = context.informers.informer(services);
    this.pods = context.informers.informer(pods);
    this.nodes = context.informers.informer(nodes);
    this.slices = context.informers.informer(endpointSlices);
    this.slices.addIndex(BY_SERVICE, slice => (isOurs(slice) ? [serviceKey(slice)] : []));
    this.shares = new ZoneShares(this.nodes, key => this.queue.add(key));
    this.servicePods = new ServicePods({ queue: this.queue, services: this.services, pods: this.pods });
    this.nodes.addHandler({
      // Rare, and any service may have endpoints there.
      onUpdate: (older, node) => {
        if (older.metadata.labels?.[ZONE] === node.metadata.labels?.[ZONE]) return;
        for (const service of this.services.lister.list()) this.queue.add(keyOf(service));
      },
    });
    const wake = (slice: EndpointSlice): void => {
      if (isOurs(slice)) this.queue.add(serviceKey(slice));
    };
    // Someone changed or removed what we made.
    this.slices.addHandler({ onAdd: wake, onUpdate: (_older, slice) => wake(slice), onDelete: wake });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    const informers = [this.services, this.pods, this.nodes, this.slices];
    return runQueue({ name, context, queue, reconciler: this, informers }, signal);
  }

  async reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { namespace, name } = splitKey(key);
    const service = this.services.lister.get(namespace, name);
    // Slices of a service that is gone go with it, by their owner reference.
    if (service === undefined || service.metadata.deletionTimestamp !== undefined || !hasPodSelector(service)) {
      this.shares.forget(key);
      this.triggers.forget(key);
      return 'awaitChange';
    }
    const selected = this.servicePods.of(service);
    const plan = planSlices({
      service,
      pods: selected,
      slices: this.slices.lister.byIndex(BY_SERVICE, key),
      zoneOf: node => this.nodes.lister.get(undefined, node)?.metadata.labels?.[ZONE],
      ratios: this.shares.ratios(),
      triggeredAtMs: this.triggers.next(service, selected),
    });
    for (const { type, reason, message } of this.shares.settle(key, plan.hints))
      this.context.events.event(subjectOf(services, service), type, reason, message);
    const client = this.context.client.of(endpointSlices);
    // New homes before old ones go: an endpoint that moves is never nowhere.
    try {
      await slowStart(plan.create, async slice => void (await client.create(slice, { signal })));
    } catch (error) {
      if (isNamespaceTerminating(error) || isNotFound(error)) return 'awaitChange';
      throw error;
    }
    await slowStart(plan.update, async slice => void (await client.update(slice, { signal })));
    for (const slice of plan.delete) {
      await client
        .delete({ namespace, name: slice.metadata.name ?? '' }, { preconditions: { uid: slice.metadata.uid }, signal })
        .catch(absent);
    }
    return 'awaitChange';
  }
}

function isOurs(slice: EndpointSlice): boolean {
  return slice.metadata.labels?.[MANAGED_BY] === MANAGER;
}

function serviceKey(slice: EndpointSlice): string {
  return objectKey(slice.metadata.namespace, slice.metadata.labels?.[SERVICE_NAME_LABEL] ?? '');
}
