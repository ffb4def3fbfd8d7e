/**
 * Keeps EndpointSlices of the Endpoints that users write for services without a selector.
 */
import type { Endpoints, Service } from '../../../proto/api/core-v1.ts';
import type { EndpointSlice } from '../../../proto/api/discovery-v1.ts';
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { endpoints, endpointSlices, services } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { SERVICE_NAME_LABEL } from '../../../machinery/meta/endpoint-slices.ts';
import { keyOf, objectKey, splitKey } from '../../../machinery/meta/object.ts';
import { isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { ensure } from '../runtime/ensure.ts';
import { isMirrored, MANAGED_BY, MANAGER, MAX_MIRRORED, planMirror } from './plan.ts';

const BY_SERVICE = 'mirrored';

export class EndpointSliceMirroringController implements Controller, Reconciler {
  readonly name = 'endpointslicemirroring-controller';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly endpoints: Informer<Endpoints>;
  private readonly services: Informer<Service>;
  private readonly slices: Informer<EndpointSlice>;

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.endpoints = context.informers.informer(endpoints);
    this.services = context.informers.informer(services);
    this.slices = context.informers.informer(endpointSlices);
    this.slices.addIndex(BY_SERVICE, slice => (isOurs(slice) ? [serviceKey(slice)] : []));
    const wake = (object: Endpoints | Service): void => this.queue.add(keyOf(object));
    this.endpoints.addHandler({ onAdd: wake, onUpdate: (_older, object) => wake(object), onDelete: wake });
    this.services.addHandler({ onAdd: wake, onUpdate: (_older, object) => wake(object), onDelete: wake });
    const repair = (slice: EndpointSlice): void => {
      if (isOurs(slice)) this.queue.add(serviceKey(slice));
    };
    this.slices.addHandler({ onUpdate: (_older, slice) => repair(slice), onDelete: repair });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    const informers = [this.endpoints, this.services, this.slices];
    return runQueue({ name, context, queue, reconciler: this, informers }, signal);
  }

  async reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { namespace, name } = splitKey(key);
    const object = this.endpoints.lister.get(namespace, name);
    const service = this.services.lister.get(namespace, name);
    const wanted = isMirrored(object, service) ? object : undefined;
    const plan = planMirror(wanted, this.slices.lister.byIndex(BY_SERVICE, key));
    const { client, events } = this.context;
    if (object !== undefined && plan.skipped > 0 && plan.create.length + plan.update.length > 0)
      events.event(subjectOf(endpoints, object), 'Warning', 'TooManyAddressesToMirror', tooManyText(plan.skipped));
    const slices = client.of(endpointSlices);
    for (const slice of plan.create) await ensure(client, endpointSlices, slice, signal);
    for (const slice of plan.update) await slices.update(slice, { signal });
    for (const { metadata } of plan.delete) {
      const place = { namespace, name: metadata.name ?? '' };
      await slices.delete(place, { preconditions: { uid: metadata.uid }, signal }).catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
    }
    return 'awaitChange';
  }
}

function tooManyText(skipped: number): string {
  const most = `A max of ${MAX_MIRRORED} addresses can be mirrored to EndpointSlices per Endpoints subset`;
  return `${most}. ${skipped} addresses were skipped`;
}

function isOurs(slice: EndpointSlice): boolean {
  return slice.metadata.labels?.[MANAGED_BY] === MANAGER;
}

function serviceKey(slice: EndpointSlice): string {
  return objectKey(slice.metadata.namespace, slice.metadata.labels?.[SERVICE_NAME_LABEL] ?? '');
}
