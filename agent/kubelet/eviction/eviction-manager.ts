/**
 * Keeps the node from running dry: looks at what is left, first takes away what nobody needs, then ends pods, one a round.
 *
 * - At rest a look is a handful of file reads every ten seconds; it comes sooner when something falls fast. Pods are only measured when one
 *   must go, or has a limit of its own.
 * - Nothing is decided before the first look, and pods are admitted only after it.
 * - After an eviction nothing more is evicted until the pod has ended, but no longer than half a minute.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import { subjectOf, type EventSink, type EventSubject } from '../../../machinery/client/event-recorder.ts';
import { pods as podResource } from '../../../machinery/client/resource.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import { isCriticalPod } from '../plan/critical-pod.ts';
import { gracePeriodSeconds, uidOf } from '../plan/pod-spec.ts';
import type { PodVerdict } from '../plan/pod-status.ts';
import { EVICTED, evictionNotice } from './plan/messages.ts';
import type { PodUsage } from './plan/pod-usage.ts';
import { admitUnderPressure } from './plan/pressure-admission.ts';
import {
  CALM,
  isRelieved,
  LONGEST_MS,
  lookForPressure,
  nextLookMs,
  type Observations,
  type PressureState,
} from './plan/pressure.ts';
import { rankPods } from './plan/rank.ts';
import { reclaimsOf } from './plan/reclaims.ts';
import {
  SIGNALS,
  withContainerFs,
  type FilesystemLayout,
  type PressureCondition,
  type Threshold,
} from './plan/thresholds.ts';
import type { PodUsageMeter } from './pod-usage-meter.ts';
import type { StorageLimitWatch } from './storage-limit-watch.ts';
import { keyOf } from '../../../machinery/meta/object.ts';

/** Pods as the workers have them. */
export interface EvictablePods {
  /** Those that were admitted and are not ending. */
  active(): Pod[];
  end(uid: string, verdict: PodVerdict): void;
  /** Whether nothing of it runs any more. */
  hasEnded(uid: string): boolean;
}

/** What is given back before pods are. */
export interface NodeGarbage {
  /** Containers of ended pods. */
  removeEnded(): Promise<void>;
  removeUnusedImages(): Promise<void>;
  /** What is left of one pod's containers. */
  removePod(uid: string): Promise<void>;
}

export interface EvictionManagerOptions {
  readonly thresholds: readonly Threshold[];
  readonly transitionMs: number;
  /** Longest grace under a soft threshold. */
  readonly maxPodGraceSeconds: number;
  /** Undefined: limits of local storage are not enforced. */
  readonly storageLimits: StorageLimitWatch | undefined;
  readonly observe: () => Promise<Observations>;
  readonly layout: () => Promise<FilesystemLayout>;
  readonly meter: Pick<PodUsageMeter, 'all'>;
  readonly pods: EvictablePods;
  readonly garbage: NodeGarbage;
  readonly recorder: EventSink;
  readonly node: EventSubject;
  /** The node's conditions changed. */
  readonly onConditions: () => void;
  /** Counts; by signal, or by the kind of limit. */
  readonly onEvicted: (signal: string) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A hard threshold leaves pods no more than this. */
const HURRY_SECONDS = 1;
const END_TIMEOUT_MS = 30_000;
const END_LOOK_MS = 250;
const SINGLE_FS: FilesystemLayout = { dedicatedImageFs: false, splitContainerFs: false };

export class EvictionManager {
  private readonly options: EvictionManagerOptions;
  private state: PressureState = CALM;
  private last: { readonly atMs: number; readonly seen: Observations } | undefined;
  private fileSystems: FilesystemLayout | undefined;
  private pauseMs = LONGEST_MS;
  /** What the node is short of now. */
  conditions: readonly PressureCondition[] = [];

  constructor(options: EvictionManagerOptions) {
    this.options = options;
  }

  /** Whether the node takes the pod. */
  admit(pod: Pod): PodVerdict | undefined {
    return admitUnderPressure(pod, this.conditions);
  }

  /** The first look. Never throws: what cannot be seen now is seen later. */
  async prepare(): Promise<void> {
    await this.attempt(() => this.look());
  }

  /** Runs until the signal aborts; begins with nothing but looking. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.options;
    while (!signal.aborted) {
      const evicted = (await this.attempt(() => this.round(signal))) ?? [];
      if (signal.aborted) return;
      const waitMs = evicted.length > 0 ? await this.untilEnded(evicted, signal) : this.pauseMs;
      await clock.sleep(waitMs, signal).catch(() => undefined);
    }
  }

  /** @returns UIDs of pods that were told to end */
  private async round(signal: AbortSignal): Promise<string[]> {
    const { thresholds, due, seen } = await this.look();
    const beyond = await this.endBeyondLimits(signal);
    if (beyond.length > 0) return beyond;
    const [threshold] = due;
    if (threshold === undefined) return [];
    const { recorder, node, logger } = this.options;
    const { resource } = SIGNALS[threshold.signal];
    recorder.event(node, 'Warning', 'EvictionThresholdMet', `Attempting to reclaim ${resource}`);
    logger.warn({ signal: threshold.signal, ...seen.get(threshold.signal) }, 'The node runs short');
    if (await this.reclaim(threshold, thresholds)) return [];
    return this.endOne(threshold, seen, signal);
  }

  private async look(): Promise<{ thresholds: readonly Threshold[]; due: readonly Threshold[]; seen: Observations }> {
    const { clock, observe, transitionMs, onConditions } = this.options;
    const fileSystems = await this.layoutNow();
    const thresholds = withContainerFs(this.options.thresholds, fileSystems);
    const seen = await observe();
    const nowMs = clock.monotonicMs();
    const { state, conditions, due } = lookForPressure(this.state, thresholds, seen, transitionMs, nowMs);
    this.state = state;
    this.pauseMs = nextLookMs(thresholds, this.last?.seen, seen, nowMs - (this.last?.atMs ?? nowMs));
    this.last = { atMs: nowMs, seen };
    const changed = conditions.join() !== this.conditions.join();
    this.conditions = conditions;
    if (changed) onConditions();
    return { thresholds, due, seen };
  }

  /** Until the runtime tells, one file system is taken for all: then all of a pod counts. */
  private async layoutNow(): Promise<FilesystemLayout> {
    this.fileSystems ??= await this.options.layout().catch(() => undefined);
    return this.fileSystems ?? SINGLE_FS;
  }

  /** @returns whether that was enough */
  private async reclaim(threshold: Threshold, thresholds: readonly Threshold[]): Promise<boolean> {
    const { garbage, observe, logger } = this.options;
    const steps = reclaimsOf(threshold.signal, this.fileSystems ?? SINGLE_FS);
    if (steps.length === 0) return false;
    for (const step of steps)
      await this.attempt(() => (step === 'images' ? garbage.removeUnusedImages() : garbage.removeEnded()));
    const relieved = isRelieved(thresholds, await observe());
    if (relieved) logger.info({ signal: threshold.signal }, 'Garbage was enough: no pod has to go');
    return relieved;
  }

  private async endOne(threshold: Threshold, seen: Observations, signal: AbortSignal): Promise<string[]> {
    const { pods, meter, maxPodGraceSeconds, logger } = this.options;
    const active = pods.active();
    const { resource, condition } = SIGNALS[threshold.signal];
    const usages = await meter.all(active, condition === 'DiskPressure', signal);
    const usageOf = (pod: Pod): PodUsage | undefined => usages.get(uidOf(pod));
    const ranked = rankPods(active, threshold.signal, this.fileSystems ?? SINGLE_FS, usageOf);
    const victim = ranked.find(pod => !isCriticalPod(pod));
    if (victim === undefined) {
      logger.warn({ resource, pods: active.length }, 'The node runs short, and no pod here may be evicted');
      return [];
    }
    const { message, annotations } = evictionNotice(victim, usageOf(victim), threshold, seen);
    const soft = Math.min(maxPodGraceSeconds, gracePeriodSeconds(victim));
    const graceSeconds = threshold.gracePeriodMs === 0 ? HURRY_SECONDS : soft;
    this.end(victim, { reason: EVICTED, message, graceSeconds, disruption: message }, threshold.signal, annotations);
    return [uidOf(victim)];
  }

  /** Those that lay more on the disk than they may. */
  private async endBeyondLimits(signal: AbortSignal): Promise<string[]> {
    const { pods, storageLimits } = this.options;
    if (storageLimits === undefined) return [];
    const evictable = pods.active().filter(pod => !isCriticalPod(pod));
    const { dedicatedImageFs } = this.fileSystems ?? SINGLE_FS;
    const beyond = await storageLimits.beyond(evictable, dedicatedImageFs, signal);
    for (const { pod, exceeded } of beyond)
      this.end(pod, { reason: EVICTED, message: exceeded.message, graceSeconds: HURRY_SECONDS }, exceeded.kind);
    return beyond.map(({ pod }) => uidOf(pod));
  }

  private end(pod: Pod, verdict: PodVerdict, why: string, annotations?: Readonly<Record<string, string>>): void {
    const { pods, recorder, onEvicted, logger } = this.options;
    logger.warn({ pod: keyOf(pod), why: verdict.message }, 'Evicting a pod');
    recorder.event(subjectOf(podResource, pod), 'Warning', EVICTED, verdict.message, annotations);
    pods.end(uidOf(pod), verdict);
    onEvicted(why);
  }

  /** Waits for them and gives their containers' disk back. @returns how long to wait before the next round */
  private async untilEnded(uids: readonly string[], signal: AbortSignal): Promise<number> {
    const { pods, clock, garbage } = this.options;
    const untilMs = clock.monotonicMs() + END_TIMEOUT_MS;
    while (!signal.aborted && clock.monotonicMs() < untilMs && !uids.every(uid => pods.hasEnded(uid)))
      await clock.sleep(END_LOOK_MS, signal).catch(() => undefined);
    for (const uid of uids) if (pods.hasEnded(uid)) await this.attempt(() => garbage.removePod(uid));
    return 0;
  }

  private async attempt<T>(act: () => Promise<T>): Promise<T | undefined> {
    try {
      return await act();
    } catch (error) {
      this.options.logger.warn({ err: error }, 'The node could not be looked after; trying again');
      this.pauseMs = LONGEST_MS;
      return undefined;
    }
  }
}
