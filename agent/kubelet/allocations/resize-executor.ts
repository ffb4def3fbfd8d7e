/**
 * Carries out what was allocated to a running pod: its control group and its containers, each limit in the order that the kernel needs.
 *
 * - The pod's own limit is raised before its containers' and lowered after them; what becomes less goes before what becomes more.
 * - A memory limit below what is used now is not set: the kernel would kill. It is tried again.
 * - Every step may be done twice: a kubelet that was killed in between does them all again.
 * Source: kubernetes 1.36 `pkg/kubelet/kuberuntime/kuberuntime_manager.go`, doPodResizeAction: order and texts.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import { subjectOf, type EventSink } from '../../../machinery/client/event-recorder.ts';
import { pods } from '../../../machinery/client/resource.ts';
import { errorText } from '../../../machinery/meta/error-text.ts';
import type { PodCache } from '../pleg/pod-cache.ts';
import { changesCpu, changesMemory, type AppliedResources } from './plan/applied-resources.ts';
import { CPU_PERIOD_US, podCgroupResources } from '../plan/linux-resources.ts';
import type { ContainerUpdate } from '../plan/pod-actions.ts';
import { uidOf } from '../plan/pod-spec.ts';
import { resizeMessage } from './plan/resize-events.ts';
import type { PodCgroups } from '../pods/pod-cgroups.ts';
import type { RuntimeService } from '../runtime/runtime-service.ts';
import type { AllocationStore } from './allocation-store.ts';
import type { Resizer } from './resizer.ts';

export interface ResizeExecutorOptions {
  readonly runtime: RuntimeService;
  readonly cache: PodCache;
  readonly cgroups: PodCgroups;
  readonly store: AllocationStore;
  readonly resizer: Resizer;
  readonly recorder: EventSink;
  /** Whether the container has processors to itself: no quota holds it back. */
  readonly ownsCpus: (uid: string, container: string) => boolean;
}

const RETRY_MS = 10_000;
const NO_QUOTA = -1n;
const RESOURCES = ['memory', 'cpu'] as const;
type Resource = (typeof RESOURCES)[number];

export class ResizeExecutor {
  private readonly options: ResizeExecutorOptions;

  constructor(options: ResizeExecutorOptions) {
    this.options = options;
  }

  /**
   * @param pod as allocated
   * @param updates containers that run and have something else
   * @param restarts whether a container is being restarted for it: the pod's limits are not lowered before it is
   * @returns when to try again; undefined when there is nothing left that this could do
   */
  async carryOut(pod: Pod, updates: readonly ContainerUpdate[], restarts: boolean, signal: AbortSignal) {
    const { store, resizer, recorder, cache } = this.options;
    const uid = uidOf(pod);
    const generation = store.resizing(uid);
    if (generation === undefined && updates.length === 0) return undefined;
    const subject = subjectOf(pods, pod);
    try {
      const now = new Map(updates.map(({ container, from }) => [container.id, from]));
      for (const resource of RESOURCES) await this.resize(pod, resource, updates, now, restarts, signal);
    } catch (error) {
      signal.throwIfAborted();
      const why = errorText(error);
      if (resizer.setError(uid, why))
        recorder.event(subject, 'Warning', 'ResizeError', resizeMessage('error', pod, generation ?? 0, why));
      return RETRY_MS;
    }
    resizer.setError(uid, undefined);
    if (restarts || generation === undefined) return undefined;
    // A newer one may have been accepted while this one was carried out.
    if (store.resizing(uid) !== generation) return 0;
    const there = (cache.view(uid)?.containers ?? []).filter(c => c.state === 'running').map(c => c.id);
    await store.complete(uid, new Set(there));
    recorder.event(subject, 'Normal', 'ResizeCompleted', resizeMessage('completed', pod, generation));
    resizer.roomChanged();
    return undefined;
  }

  /** @param now what each container has, changed along */
  private async resize(
    pod: Pod,
    resource: Resource,
    updates: readonly ContainerUpdate[],
    now: Map<string, AppliedResources>,
    restarts: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const { cgroups } = this.options;
    const usage = await cgroups.usageOf(pod);
    const wanted = podCgroupResources(pod);
    const [has, wants] =
      resource === 'memory'
        ? [usage?.memoryBytes, wanted.memoryLimitBytes]
        : [usage?.cpuQuotaMicros, wanted.cpuQuotaUs];
    // A limit that goes away is left: the API lets none go.
    const lowersPod = usage !== undefined && wants > 0 && (has ?? Infinity) > wants;
    const raisesPod = usage !== undefined && wants > 0 && (has ?? Infinity) < wants;
    const mine = updates.filter(({ from, to }) => (resource === 'cpu' ? changesCpu : changesMemory)(from, to));
    if (resource === 'memory') {
      const tooLow = await this.tooLow(
        mine,
        lowersPod && !restarts ? { wants, uses: usage.memoryUsageBytes } : undefined,
      );
      if (tooLow.length > 0) throw new Error(tooLow.length === 1 ? tooLow[0] : `[${tooLow.join(', ')}]`);
    }
    if (raisesPod) await cgroups.resizePod(pod, resource);
    for (const update of [...mine].sort((a, b) => growth(a, resource) - growth(b, resource))) {
      signal.throwIfAborted();
      await this.update(uidOf(pod), update, resource, now);
    }
    if (lowersPod && !restarts) await cgroups.resizePod(pod, resource);
    else if (resource === 'cpu' && !raisesPod && mine.length > 0) await cgroups.resizePod(pod, resource);
  }

  /** One sentence for each memory limit that would be below what is used. */
  private async tooLow(
    updates: readonly ContainerUpdate[],
    whole: { readonly wants: number; readonly uses: number } | undefined,
  ): Promise<string[]> {
    const found: string[] = [];
    if (whole !== undefined && whole.uses >= whole.wants)
      found.push(`attempting to set pod memory limit (${whole.wants}) below current usage (${whole.uses})`);
    for (const { container, from, to } of updates) {
      const lowers = to.memoryLimitBytes > 0 && (from.memoryLimitBytes || Infinity) > to.memoryLimitBytes;
      if (!lowers) continue;
      const stats = await this.options.runtime.containerStats(container.id);
      const used = Number(stats?.memory?.usageBytes?.value ?? stats?.memory?.workingSetBytes?.value ?? 0n);
      if (used < to.memoryLimitBytes) continue;
      const limit = `container "${container.name}" memory limit (${to.memoryLimitBytes})`;
      found.push(`attempting to set ${limit} below current usage (${used})`);
    }
    return found;
  }

  private async update(
    uid: string,
    { container, to }: ContainerUpdate,
    resource: Resource,
    now: Map<string, AppliedResources>,
  ): Promise<void> {
    const { runtime, store, cache, ownsCpus } = this.options;
    const has = now.get(container.id) ?? to;
    const { cpuShares, cpuQuotaUs, memoryLimitBytes, memoryRequestBytes } = to;
    const next =
      resource === 'cpu' ? { ...has, cpuShares, cpuQuotaUs } : { ...has, memoryLimitBytes, memoryRequestBytes };
    // A memory request alone is nothing that a runtime knows of.
    if (resource === 'cpu' || has.memoryLimitBytes !== memoryLimitBytes) {
      await runtime.updateContainerResources(container.id, {
        cpuPeriod: BigInt(CPU_PERIOD_US),
        cpuQuota: ownsCpus(uid, container.name) ? NO_QUOTA : BigInt(next.cpuQuotaUs),
        cpuShares: BigInt(next.cpuShares),
        memoryLimitInBytes: BigInt(next.memoryLimitBytes),
      });
    }
    now.set(container.id, next);
    await store.apply(uid, container.id, next);
    await cache.refreshContainer(container.id);
  }
}

/** How much more the container gets; negative for less. No limit is most. */
function growth({ from, to }: ContainerUpdate, resource: Resource): number {
  const limit = resource === 'cpu' ? 'cpuQuotaUs' : 'memoryLimitBytes';
  const before = from[limit] || Number.MAX_SAFE_INTEGER;
  return (to[limit] || Number.MAX_SAFE_INTEGER) - before || (resource === 'cpu' ? to.cpuShares - from.cpuShares : 0);
}
