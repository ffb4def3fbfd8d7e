/**
 * The pods of services, and which services are queued by a change of a pod or service.
 *
 * Each pod of a service changes several times while it starts: of a service with many not every change is worth a look of its own, since each
 * look is at all of them.
 */
import type { Pod, Service } from '../../../proto/api/core-v1.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import { LabelSelector, selectorFromSet } from '../../../machinery/meta/label-selector.ts';
import { keyOf } from '../../../machinery/meta/object.ts';
import { indexByLabels, indexBySelector, selectedBy, selecting, type Selecting } from './label-index.ts';
import { hasPodSelector } from './plan/service-endpoints.ts';
import { isPodReady } from './plan/pod-state.ts';

const FEW_PODS = 100;
const GATHER_MS_PER_POD = 0.1;
const LONGEST_GATHER_MS = 1000;

export interface ServicePodsOptions {
  readonly queue: WorkQueue;
  readonly services: Informer<Service>;
  readonly pods: Informer<Pod>;
}

export class ServicePods {
  private readonly queue: WorkQueue;
  private readonly pods: Informer<Pod>;
  private readonly selecting: Selecting<Service>;
  /** How many pods large services had when they were last looked at. */
  private readonly sizes = new Map<string, number>();

  constructor({ queue, services, pods }: ServicePodsOptions) {
    this.queue = queue;
    this.pods = pods;
    this.selecting = { informer: services, selectorOf };
    indexByLabels(pods);
    indexBySelector(this.selecting);
    const wake = (service: Service): void => queue.add(keyOf(service));
    services.addHandler({
      onAdd: wake,
      onUpdate: (_older, service) => wake(service),
      onDelete: service => {
        this.sizes.delete(keyOf(service));
        wake(service);
      },
    });
    pods.addHandler({
      onAdd: pod => this.wake(pod),
      onUpdate: (older, pod) => {
        if (!matters(older, pod)) return;
        this.wake(pod);
        if (!jsonEquals(older.metadata.labels, pod.metadata.labels)) this.wake(older);
      },
      onDelete: pod => this.wake(pod),
    });
  }

  of(service: Service): Pod[] {
    const found = selectedBy(this.pods.lister, service.metadata.namespace ?? '', selectorOf(service));
    if (found.length > FEW_PODS) this.sizes.set(keyOf(service), found.length);
    else this.sizes.delete(keyOf(service));
    return found;
  }

  private wake(pod: Pod): void {
    for (const service of selecting(this.selecting, pod.metadata.namespace, pod.metadata.labels)) {
      const key = keyOf(service);
      const size = this.sizes.get(key) ?? 0;
      this.queue.addAfter(key, Math.min(LONGEST_GATHER_MS, size * GATHER_MS_PER_POD));
    }
  }
}

function selectorOf(service: Service): LabelSelector {
  return hasPodSelector(service) ? selectorFromSet(service.spec?.selector) : LabelSelector.nothing;
}

function matters(older: Pod, pod: Pod): boolean {
  return (
    older.status?.podIP !== pod.status?.podIP ||
    older.status?.phase !== pod.status?.phase ||
    isPodReady(older) !== isPodReady(pod) ||
    older.metadata.deletionTimestamp !== pod.metadata.deletionTimestamp ||
    older.spec?.nodeName !== pod.spec?.nodeName ||
    older.spec?.hostname !== pod.spec?.hostname ||
    !jsonEquals(older.status?.podIPs, pod.status?.podIPs) ||
    !jsonEquals(older.metadata.labels, pod.metadata.labels)
  );
}
