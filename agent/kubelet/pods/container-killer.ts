/**
 * Ends containers: preStop inside the grace period, then the stop signal, then SIGKILL.
 * Source: kubernetes.io/docs, "Pod Lifecycle: termination of Pods"; `kuberuntime_container.go` 1.36, killContainer.
 */
import type { Container, LifecycleHandler } from '../../../proto/api/core-v1.ts';
import type { EventSink, EventSubject } from '../../../machinery/client/event-recorder.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { HookRunner } from '../lifecycle/hook-runner.ts';
import type { StopSignalSender } from '../lifecycle/stop-signal-sender.ts';
import type { PodCache } from '../pleg/pod-cache.ts';
import { CRI_KEYS } from '../plan/cri-labels.ts';
import type { ContainerView } from '../plan/pod-view.ts';
import type { RuntimeService } from '../runtime/runtime-service.ts';
import type { StageWatch } from './slow-stages.ts';

/** After preStop, and when no grace is left or none was given, the process still gets this long to end by itself. */
const MIN_GRACE_SECONDS = 2;
/** A killed process is gone by then, unless it hangs. */
const KILL_SECONDS = 10;

export interface ContainerKillerOptions {
  readonly runtime: RuntimeService;
  readonly cache: PodCache;
  readonly hooks: HookRunner;
  readonly stopSignals: StopSignalSender;
  readonly recorder: EventSink;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stages: StageWatch;
  /** What the processes of the container's pod do, in words that name them; '' for none. */
  readonly processesOf: (podUid: string) => Promise<string>;
}

export interface KillInput {
  readonly view: ContainerView;
  /** Undefined when the API forgot the pod: annotations then say what is needed. */
  readonly spec: Container | undefined;
  readonly podIP: string;
  readonly graceSeconds: number;
  /** Only then it is signalled, or when its grace period is over. */
  readonly turn?: Promise<unknown>;
  readonly message: string;
  readonly subject: EventSubject;
}

export class ContainerKiller {
  private readonly options: ContainerKillerOptions;

  constructor(options: ContainerKillerOptions) {
    this.options = options;
  }

  /** Resolves once the container has ended. @throws RuntimeError, or the signal's reason */
  async kill(input: KillInput, signal: AbortSignal): Promise<void> {
    const { runtime, cache, recorder, clock, stages, stopSignals } = this.options;
    const { view, graceSeconds } = input;
    const beganMs = clock.monotonicMs();
    recorder.event(input.subject, 'Normal', 'Killing', input.message);
    const preStop = input.spec === undefined ? preStopOf(view) : input.spec.lifecycle?.preStop;
    const left = (): number => graceSeconds - Math.floor((clock.monotonicMs() - beganMs) / 1000);
    if (preStop !== undefined && graceSeconds > 0 && view.state === 'running') {
      await this.runPreStop(preStop, input, signal);
    }
    if (input.turn !== undefined) await this.awaitTurn(input.turn, left(), signal);
    signal.throwIfAborted();
    const seconds = Math.max(MIN_GRACE_SECONDS, left());
    const stage = {
      subject: input.subject,
      doing: `Stopping container ${view.name}`,
      waitsFor: `its grace period of ${graceSeconds} s is over and it was killed`,
      usualMs: (seconds + KILL_SECONDS) * 1000,
      detail: async () => {
        const processes = await this.options.processesOf(input.subject.uid ?? '');
        return processes === ''
          ? ', but the container runtime does not say that it ended; see its log'
          : `, but ${processes}`;
      },
    };
    await stages.watch(stage, async () => {
      const signalled = await stopSignals.stop(view, seconds, signal);
      // Whoever has not ended by then is killed.
      await cache.during(view.id, 'stop', () => runtime.stopContainer(view.id, signalled ? 0 : seconds, { signal }));
    });
    await cache.refreshContainer(view.id, true);
  }

  private async awaitTurn(turn: Promise<unknown>, seconds: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const patience = this.options.clock.sleep(seconds * 1000, AbortSignal.any([signal, over.signal]));
    try {
      await Promise.race([turn, patience]);
    } finally {
      over.abort();
      // Whoever lost the race has nothing to say.
      patience.catch(() => undefined);
    }
  }

  private async runPreStop(preStop: LifecycleHandler, input: KillInput, signal: AbortSignal): Promise<void> {
    const { hooks, recorder, logger } = this.options;
    const { view, graceSeconds } = input;
    const deadline = AbortSignal.timeout(graceSeconds * 1000);
    const container = input.spec ?? { name: view.name };
    try {
      await hooks.run(preStop, container, view.id, input.podIP, AbortSignal.any([signal, deadline]));
    } catch (error) {
      if (signal.aborted) throw error;
      const why = deadline.aborted
        ? `did not end within the grace period of ${graceSeconds} s`
        : error instanceof Error
          ? error.message
          : String(error);
      recorder.event(input.subject, 'Warning', 'FailedPreStopHook', `PreStopHook failed: ${why}`);
      logger.info({ container: view.id, err: error }, 'preStop failed');
    }
  }
}

function preStopOf(view: ContainerView): LifecycleHandler | undefined {
  const text = view.annotations[CRI_KEYS.preStop];
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as LifecycleHandler;
  } catch {
    return undefined;
  }
}

/** The grace period that a pod had, from its containers: for pods that the API forgot. */
export function graceFromAnnotations(views: readonly ContainerView[]): number {
  for (const { annotations } of views) {
    const seconds = Number(annotations[CRI_KEYS.terminationGracePeriod]);
    if (Number.isFinite(seconds) && annotations[CRI_KEYS.terminationGracePeriod] !== undefined) return seconds;
  }
  return 30;
}
