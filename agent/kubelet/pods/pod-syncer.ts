/** Carries out a pod's actions: looks, plans, acts, tells. One run at a time for a pod; it never waits for a pull or a kill. */
import type { ReconcileResult } from '../../../machinery/client/reconcile.ts';
import type { Allocations } from '../allocations/create-allocations.ts';
import { computePodActions, type ContainerKill, type PodActions } from '../plan/pod-actions.ts';
import { gracePeriodSeconds, podText } from '../plan/pod-spec.ts';
import type { RestartBackoff } from '../plan/restart.ts';
import type { Prober } from '../prober/prober.ts';
import { abandonOnAbort } from './abandon.ts';
import { containerSubject } from './container-subject.ts';
import { earliest } from './earliest.ts';
import type { PodRecord } from './pod-record.ts';
import { PodStarter, type PodStarterOptions } from './pod-starter.ts';
import type { StatusPublisher } from './status-publisher.ts';
import { VolumeFollower } from './volume-follower.ts';
import { keyOf } from '../../../machinery/meta/object.ts';

export interface PodSyncerOptions extends PodStarterOptions {
  readonly prober: Prober;
  readonly allocations: Allocations;
  readonly publisher: StatusPublisher;
  readonly backoff: RestartBackoff;
  /** Runs the pod's worker again. */
  readonly wake: (uid: string) => void;
}

const KILL_RETRY_MS = 1_000;

export class PodSyncer {
  private readonly options: PodSyncerOptions;
  private readonly follower: VolumeFollower;
  private readonly starter: PodStarter;
  private startingNow = 0;

  constructor(options: PodSyncerOptions) {
    this.options = options;
    this.follower = new VolumeFollower(options);
    this.starter = new PodStarter(options);
  }

  /** Pods whose containers are being started. */
  get starting(): number {
    return this.startingNow;
  }

  /** @throws what stopped it; the worker then tries again with back-off */
  async sync(record: PodRecord, signal: AbortSignal): Promise<ReconcileResult> {
    const { allocations, cache, clock, prober, publisher } = this.options;
    const { uid } = record;
    await abandonOnAbort(cache.settled(uid), signal);
    const view = cache.view(uid);
    prober.sync(record.pod, view);
    const actions = computePodActions({
      pod: record.pod,
      view,
      nowMs: clock.now(),
      probeFailures: prober.failures(uid),
      isStarted: container => !record.hooking.has(container.id) && prober.answers(container).started,
      backoff: this.options.backoff,
      applied: container => allocations.appliedTo(uid, container),
      replacing: record.replacing,
    });
    if (actions.finished) {
      record.following?.abort();
      record.completed = true;
      return { afterMs: 0 };
    }
    this.noteWaiting(record, actions);
    const willAct = actions.start.length > 0;
    if (!willAct && view?.containers.some(({ state }) => state === 'running') === true) this.follower.follow(record);
    publisher.publish(record, { urgent: !willAct && actions.kill.length === 0 });
    await this.stopSandboxes(actions.stopSandboxes, signal);
    this.killInBackground(record, actions.kill);
    let retryMs = earliest(this.nextWait(actions), await this.resize(record, actions, signal));
    if (willAct) {
      this.startingNow++;
      try {
        const startRetryMs = await this.starter.start(record, actions, signal);
        retryMs = earliest(retryMs, startRetryMs);
      } finally {
        this.startingNow--;
        prober.sync(record.pod, cache.view(uid));
        if (!signal.aborted) publisher.publish(record, { urgent: true });
      }
    }
    return retryMs === undefined ? 'awaitChange' : { afterMs: Math.max(1, retryMs) };
  }

  /** Gives what runs the resources that the pod was allocated. @returns when to try again */
  private async resize(record: PodRecord, actions: PodActions, signal: AbortSignal): Promise<number | undefined> {
    const { allocations, publisher } = this.options;
    const { pod, uid } = record;
    if (actions.update.length === 0 && allocations.store.resizing(uid) === undefined) return undefined;
    // What is stopped for it has the old ones until it runs anew.
    const restarts =
      actions.kill.some(kill => kill.cause === 'resized') ||
      actions.start.some(({ replaces }) => replaces !== undefined && record.replacing.has(replaces));
    try {
      return await allocations.executor.carryOut(pod, actions.update, restarts, signal);
    } finally {
      publisher.publish(record, { urgent: true });
    }
  }

  private noteWaiting(record: PodRecord, actions: PodActions): void {
    const { recorder } = this.options;
    const starting = new Set(actions.start.map(({ container }) => container.name));
    for (const name of record.waiting.keys()) if (!starting.has(name)) record.waiting.delete(name);
    for (const { container, backoffMs } of actions.waiting) {
      const where = podText(record.pod);
      const message = `back-off ${backoffMs / 1000}s restarting failed container=${container.name} pod=${where}`;
      record.waiting.set(container.name, { reason: 'CrashLoopBackOff', message });
      recorder.event(
        containerSubject(record.pod, container.name),
        'Warning',
        'BackOff',
        `Back-off restarting failed container ${container.name} in pod ${where}`,
      );
    }
  }

  private nextWait(actions: PodActions): number | undefined {
    const nowMs = this.options.clock.now();
    return actions.waiting.reduce<number | undefined>(
      (least, { untilMs }) => earliest(least, untilMs - nowMs),
      undefined,
    );
  }

  private async stopSandboxes(ids: readonly string[], signal: AbortSignal): Promise<void> {
    const { runtime, cache } = this.options;
    await Promise.all(
      ids.map(async id => {
        await abandonOnAbort(
          cache.during(id, 'stop', () => runtime.stopPodSandbox(id)),
          signal,
        );
        cache.sandboxStopped(id);
        const inside = cache
          .views()
          .flatMap(view => view.containers)
          .filter(c => c.sandboxId === id && c.state === 'running');
        await Promise.all(inside.map(container => cache.refreshContainer(container.id, true)));
      }),
    );
  }

  /** A kill may take the whole grace period: its end wakes the worker. */
  private killInBackground(record: PodRecord, kills: readonly ContainerKill[]): void {
    const { killer, cache, logger, clock, wake } = this.options;
    // The record gets another signal for the pod's own end.
    const { signal } = record.abort;
    for (const kill of kills) {
      const { id } = kill.container;
      if (record.killing.has(id)) continue;
      record.killing.add(id);
      if (kill.cause === 'changed' || kill.cause === 'resized') record.replacing.add(id);
      const podIP = cache.view(record.uid)?.sandboxes[0]?.ips[0] ?? '';
      // Without grace there is no preStop either.
      const abrupt = kill.cause === 'restartAll';
      const input = {
        view: kill.container,
        spec: kill.spec,
        podIP,
        graceSeconds: kill.graceSeconds ?? (abrupt ? 0 : gracePeriodSeconds(record.pod)),
        message: kill.message,
        subject: containerSubject(record.pod, kill.container.name),
      };
      killer
        .kill(input, signal)
        .catch(async (error: unknown) => {
          if (signal.aborted) return;
          logger.warn({ err: error, container: id, pod: keyOf(record.pod) }, 'Cannot stop a container; trying again');
          await clock.sleep(KILL_RETRY_MS);
        })
        .finally(() => {
          record.killing.delete(id);
          wake(record.uid);
        });
    }
  }
}
