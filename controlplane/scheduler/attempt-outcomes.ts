/**
 * What becomes of a try that placed nothing: room is made for the pod if that can be done, the pod is told why it waits, and waits.
 */
import { errorText } from '../../machinery/meta/error-text.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import type { Pod } from '../../proto/api/core-v1.ts';
import type { Profile } from './create-profiles.ts';
import type { PostFilterResult } from './framework/framework.ts';
import type { Nominator } from './framework/nominator.ts';
import type { SchedulingDecision } from './framework/run-plugins.ts';
import type { Timing } from './framework/timing.ts';
import type { PodReporter } from './pod-reporter.ts';
import { podLeft } from './queue/cluster-change.ts';
import type { QueueEntry } from './queue/queue-entry.ts';
import { NO_NODES } from './queue/queueing-hints.ts';
import type { SchedulingQueue } from './queue/scheduling-queue.ts';
import type { RunningWork } from './running-work.ts';
import type { SchedulerMetrics } from './scheduler-metrics.ts';

/** One pod's try. */
export interface Attempt {
  readonly entry: QueueEntry;
  readonly pod: Pod;
  readonly profile: Profile;
  /** Of `performance.now()`. */
  readonly beganMs: number;
  readonly timing: Timing | undefined;
}

export interface AttemptOutcomesOptions {
  readonly logger: Logger;
  readonly queue: SchedulingQueue;
  readonly nominator: Nominator;
  readonly reporter: PodReporter;
  readonly metrics: SchedulerMetrics | undefined;
}

type Unschedulable = Extract<SchedulingDecision, { kind: 'unschedulable' }>;

export class AttemptOutcomes {
  private readonly options: AttemptOutcomesOptions;
  private readonly running: RunningWork;

  constructor(options: AttemptOutcomesOptions, running: RunningWork) {
    this.options = options;
    this.running = running;
  }

  /**
   * Lets PostFilter do something about it; the pod is queued again once that is decided: at once, or when what is returned resolves. Never throws.
   */
  makeRoom(attempt: Attempt, decision: Unschedulable, signal: AbortSignal): Promise<void> | undefined {
    const { message, diagnosis } = decision;
    const rejectedBy = diagnosis.byNode.size === 0 && diagnosis.plugins.size === 0 ? [NO_NODES] : diagnosis.plugins;
    if (attempt.profile.plugins.postFilter.length === 0 || diagnosis.byNode.size === 0) {
      this.park(attempt, message, rejectedBy, signal);
      return undefined;
    }
    const failed = (error: unknown): void => {
      if (!signal.aborted) this.fail(attempt, error, errorText(error), signal);
    };
    const concluded = (told: string): void => this.park(attempt, `${message}${told}`, rejectedBy, signal);
    try {
      const told = this.askPostFilter(attempt, decision, signal);
      if (typeof told !== 'string') return told.then(concluded).catch(failed);
      concluded(told);
    } catch (error) {
      failed(error);
    }
    return undefined;
  }

  /** No node was found, or a plugin turned down the one that was. */
  park(attempt: Attempt, message: string, rejectedBy: Iterable<string>, signal: AbortSignal): void {
    const { entry, profile, beganMs } = attempt;
    const { queue, reporter, metrics } = this.options;
    metrics?.attempted('unschedulable', profile.schedulerName, (performance.now() - beganMs) / 1000);
    const isKnown = entry.place === 'trying';
    queue.park(entry, rejectedBy);
    if (isKnown) reporter.waits(entry.pod, 'Unschedulable', message, signal);
  }

  /** Something that has nothing to do with the pod went wrong. */
  fail({ entry, profile, beganMs }: Attempt, error: unknown, message: string, signal: AbortSignal): void {
    const { queue, reporter, metrics, logger } = this.options;
    metrics?.attempted('error', profile.schedulerName, (performance.now() - beganMs) / 1000);
    logger.debug({ pod: entry.key, err: error }, 'the pod could not be tried');
    const isKnown = entry.place === 'trying';
    queue.retry(entry);
    if (isKnown) reporter.waits(entry.pod, 'SchedulerError', message, signal);
  }

  /** @returns what the plugins have to say, each word after a space */
  private askPostFilter(
    attempt: Attempt,
    { diagnosis, state }: Unschedulable,
    signal: AbortSignal,
  ): string | Promise<string> {
    const { pod, profile, timing, entry } = attempt;
    const { postFilter } = profile.plugins;
    const beganMs = performance.now();
    let told = '';
    let found: PostFilterResult | undefined;
    /** @returns whether the rest need not be asked */
    const hear = (result: PostFilterResult | undefined): boolean => {
      if (result?.message !== undefined) told = `${told} ${result.message}`;
      if (result?.nominatedNodeName !== undefined) found = result;
      return (result?.nominatedNodeName ?? '') !== '';
    };
    const askFrom = (first: number): Promise<void> | undefined => {
      for (let i = first; i < postFilter.length; i++) {
        const answer = postFilter[i]?.plugin.postFilter?.(state, pod, diagnosis);
        if (answer instanceof Promise) return answer.then(result => (hear(result) ? undefined : askFrom(i + 1)));
        if (hear(answer)) break;
      }
      return undefined;
    };
    const conclude = (): string => {
      const isFound = (found?.nominatedNodeName ?? '') !== '';
      timing?.point('PostFilter', isFound ? 'Success' : 'Unschedulable', (performance.now() - beganMs) / 1000);
      this.options.metrics?.preempted(isFound ? (found?.victims ?? 0) : undefined);
      if (found !== undefined && entry.place === 'trying') this.nominate(attempt, found, signal);
      return told;
    };
    const pending = askFrom(0);
    return pending === undefined ? conclude() : pending.then(conclude);
  }

  private nominate({ entry, pod }: Attempt, result: PostFilterResult, signal: AbortSignal): void {
    const { nominator, queue, logger } = this.options;
    const { nominatedNodeName = '' } = result;
    // From now on nobody of lower rank may take the place.
    const kept = nominator.nodeOf(entry.uid);
    if (nominatedNodeName === '') nominator.forget(entry.uid);
    else nominator.nominate(pod, nominatedNodeName);
    if (kept !== undefined && kept !== nominatedNodeName) queue.notify(podLeft(pod, kept), entry.uid);
    const carryOut = async (): Promise<void> => {
      try {
        await result.carryOut?.(signal);
      } catch (error) {
        if (signal.aborted) return;
        logger.warn({ pod: entry.key, node: nominatedNodeName, err: error }, 'preemption failed; trying again');
        queue.retryParked(entry.uid);
      }
    };
    this.running.track(carryOut());
  }
}
