/**
 * Ends pods in order before the machine ends: it holds the machine's end for that, where systemd's login manager lets it.
 *
 * - It is off unless the configuration gives it time (`shutdownGracePeriod`, `shutdownGracePeriodByPodPriority`).
 * - Pods that come meanwhile are turned away, and the node is not ready.
 * - An end that is called off is forgotten; pods that have ended by then have ended.
 * - Stopping k8ts is no end of the machine.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { EventSink } from '../../../machinery/client/event-recorder.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { Logind, ShutdownLock } from '../../host/logind.ts';
import type { KubeletConfiguration } from '../config/plan/kubelet-configuration.ts';
import { nodeSubject } from './plan/node-subject.ts';
import { uidOf } from '../plan/pod-spec.ts';
import type { PodVerdict } from '../plan/pod-status.ts';
import { podsByStep, shutdownSteps, shutdownVerdict, type ShutdownStep } from './plan/shutdown-order.ts';
import { keyOf } from '../../../machinery/meta/object.ts';

export interface GracefulShutdownOptions {
  readonly configuration: KubeletConfiguration;
  readonly nodeName: string;
  readonly logind: Pick<Logind, 'longestDelayMs' | 'setLongestDelay' | 'lock' | 'watch'>;
  readonly pods: {
    active(): readonly Pod[];
    end(uid: string, verdict: PodVerdict): void;
    hasEnded(uid: string): boolean;
  };
  /** Statuses that the API does not have yet. */
  readonly unwritten: () => number;
  /** The node's readiness changed. */
  readonly onChange: () => void;
  readonly recorder: EventSink;
  readonly clock: Clock;
  readonly logger: Logger;
}

const LOOK_MS = 50;
/** What has ended is to be known, but not at the price of the machine's time. */
const WRITE_MS = 2_000;
const RETRY_MS = 10_000;

export class GracefulShutdown {
  private readonly options: GracefulShutdownOptions;
  private readonly steps: readonly ShutdownStep[];
  private lock: ShutdownLock | undefined;
  private shuttingDown = false;

  constructor(options: GracefulShutdownOptions) {
    this.options = options;
    this.steps = shutdownSteps(options.configuration);
  }

  /** Why the node is not ready. */
  problems(): string[] {
    return this.shuttingDown ? ['node is shutting down'] : [];
  }

  /** Why a pod is not taken. */
  admit(): PodVerdict | undefined {
    if (!this.shuttingDown) return undefined;
    return {
      reason: 'NodeShutdown',
      message: 'Pod was rejected: Pod was rejected as the node is shutting down.',
    };
  }

  /** Runs until the signal aborts. Never throws: without a login manager pods end as the machine does. */
  async run(signal: AbortSignal): Promise<void> {
    const { logind, logger, clock } = this.options;
    if (this.steps.length === 0) return;
    try {
      await this.askForTime();
    } catch (error) {
      logger.warn({ err: error }, 'No login manager of systemd answers: pods will not end in order with the machine');
      return;
    }
    this.hold();
    while (!signal.aborted) {
      try {
        await logind.watch(isShuttingDown => this.changed(isShuttingDown, signal), signal);
      } catch (error) {
        logger.warn({ err: error }, "Cannot listen for the machine's end; trying again");
        await clock.sleep(RETRY_MS, signal).catch(() => undefined);
      }
    }
    this.release();
  }

  private async askForTime(): Promise<void> {
    const { logind, logger } = this.options;
    const wantedMs = this.steps.reduce((sum, { graceSeconds }) => sum + graceSeconds * 1000, 0);
    if ((await logind.longestDelayMs()) >= wantedMs) return;
    await logind.setLongestDelay(wantedMs);
    const allowedMs = await logind.longestDelayMs();
    if (allowedMs < wantedMs)
      logger.warn({ wantedMs, allowedMs }, 'The login manager gives pods less time to end than configured');
  }

  private hold(): void {
    this.lock ??= this.options.logind.lock('k8ts', 'Pods of this node end in order');
  }

  private release(): void {
    this.lock?.release();
    this.lock = undefined;
  }

  private changed(isShuttingDown: boolean, signal: AbortSignal): void {
    if (isShuttingDown === this.shuttingDown) return;
    const { logger, recorder, nodeName, onChange } = this.options;
    this.shuttingDown = isShuttingDown;
    const what = isShuttingDown ? 'shutdown event' : 'shutdown cancellation';
    logger.info({ isShuttingDown }, 'The machine is about to end, or that was called off');
    recorder.event(nodeSubject(nodeName), 'Normal', 'Shutdown', `Shutdown manager detected ${what}`);
    onChange();
    if (!isShuttingDown) return this.hold();
    this.endPods(signal)
      .catch((error: unknown) => {
        if (!signal.aborted) logger.error({ err: error }, 'Pods could not be ended in order');
      })
      .finally(() => this.release());
  }

  /** Lowest priority first; each step has its time, and no more than it needs. */
  private async endPods(signal: AbortSignal): Promise<void> {
    const { pods, logger, unwritten } = this.options;
    const groups = podsByStep(this.steps, pods.active());
    for (const [i, { graceSeconds }] of this.steps.entries()) {
      const group = groups[i] ?? [];
      for (const pod of group) pods.end(uidOf(pod), shutdownVerdict(graceSeconds));
      const left = (): Pod[] => group.filter(pod => !pods.hasEnded(uidOf(pod)));
      await this.until(() => left().length === 0, graceSeconds * 1000, signal);
      for (const pod of left()) logger.warn({ pod: keyOf(pod), graceSeconds }, 'A pod takes longer than its time');
    }
    await this.until(() => unwritten() === 0, WRITE_MS, signal);
    logger.info({}, 'Pods have ended; the machine may');
  }

  private async until(holds: () => boolean, timeoutMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.options;
    const endMs = clock.monotonicMs() + timeoutMs;
    while (!holds() && clock.monotonicMs() < endMs) await clock.sleep(LOOK_MS, signal);
  }
}
