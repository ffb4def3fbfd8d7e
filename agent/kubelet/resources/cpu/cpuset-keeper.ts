/**
 * Keeps the processors of running containers what they are to be: whoever has none to himself moves off those that were just given away.
 *
 * - A container that does not follow is tried again after a while, and keeps nobody else waiting.
 * - After a restart of the kubelet each container is told once, as nobody knows what it was told before.
 */
import { formatCpuSet, type CpuSet } from '../../../../machinery/meta/cpu-set.ts';
import type { Clock } from '../../../../machinery/process/clock.ts';
import type { Logger } from '../../../../machinery/process/logger.ts';
import type { ContainerView, PodView } from '../../plan/pod-view.ts';
import { isNotFound } from '../../runtime/runtime-error.ts';
import type { RuntimeService } from '../../runtime/runtime-service.ts';

export interface CpusetKeeperOptions {
  readonly runtime: RuntimeService;
  readonly views: () => Iterable<PodView>;
  readonly cpusOf: (uid: string, container: string) => CpuSet;
  readonly clock: Clock;
  readonly logger: Logger;
  /** `cpuManagerReconcilePeriod`: after this a container that did not follow is told again. */
  readonly retryMs: number;
}

export class CpusetKeeper {
  private readonly options: CpusetKeeperOptions;
  /** What containers have, as far as we know, by id. */
  private readonly applied = new Map<string, string>();
  /** What the next container of that name is made with, by `UID/name`. */
  private readonly madeWith = new Map<string, string>();
  private readonly underWay = new Set<string>();
  private cancelRetry: (() => void) | undefined;

  constructor(options: CpusetKeeperOptions) {
    this.options = options;
  }

  /** A container is about to be made with these. */
  made(uid: string, container: string, cpus: string): void {
    this.madeWith.set(`${uid}/${container}`, cpus);
  }

  forget(uid: string): void {
    for (const key of this.madeWith.keys()) if (key.startsWith(`${uid}/`)) this.madeWith.delete(key);
  }

  /** Tells every running container what it has to know. */
  update(): void {
    const live = new Set<string>();
    for (const view of this.options.views()) {
      for (const container of view.containers) if (container.state === 'running') live.add(container.id);
      this.updatePod(view);
    }
    for (const id of this.applied.keys()) if (!live.has(id)) this.applied.delete(id);
  }

  /** As `update()`, for one pod: a container of it may just have started. */
  updatePod(view: PodView): void {
    for (const container of view.containers) if (container.state === 'running') void this.tell(view, container);
  }

  stop(): void {
    this.cancelRetry?.();
  }

  private async tell(view: PodView, { id, name }: ContainerView): Promise<void> {
    const { runtime, cpusOf, logger } = this.options;
    const wanted = (): string => formatCpuSet(cpusOf(view.uid, name));
    const known = (): string | undefined => this.applied.get(id) ?? this.madeWith.get(`${view.uid}/${name}`);
    if (this.underWay.has(id)) return;
    this.underWay.add(id);
    try {
      // It may change again while it is being told.
      for (let cpus = wanted(); cpus !== known(); cpus = wanted()) {
        await runtime.updateContainerResources(id, { cpusetCpus: cpus });
        this.applied.set(id, cpus);
      }
      this.applied.set(id, wanted());
    } catch (error) {
      if (isNotFound(error)) return;
      const what = 'Cannot move a container to the CPUs that it is to run on; trying again';
      logger.warn({ err: error, container: name, pod: `${view.namespace}/${view.name}` }, what);
      this.retryLater();
    } finally {
      this.underWay.delete(id);
    }
  }

  private retryLater(): void {
    const { clock, retryMs } = this.options;
    this.cancelRetry ??= clock.after(retryMs, () => {
      this.cancelRetry = undefined;
      this.update();
    });
  }
}
