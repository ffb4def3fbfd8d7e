/**
 * One pod's try: decide, reserve, ask for permission, and hand it to the binding cycle; or find out why not, and what can be done about it.
 *
 * - From the snapshot to Permit nothing is awaited, so nothing changes under a decision; a pod that extenders are interested in is decided twice,
 *   before they are asked and after (see `framework/extender.ts`).
 * - The pod is assumed on its node before anything is written. Whatever fails afterwards gives back, in this order: what plugins reserved, the
 *   place, the pod to the queue; then others are told that a place is free.
 */
import type { Clock } from '../../machinery/process/clock.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import { errorText } from '../../machinery/meta/error-text.ts';
import type { Pod } from '../../proto/api/core-v1.ts';
import type { BindingCycle } from './binding-cycle.ts';
import { ExtenderTurns } from './extender-turns.ts';
import type { SchedulerCache } from './cache/scheduler-cache.ts';
import type { Profile } from './create-profiles.ts';
import { consultExtenders, needsExtenders, type Consultation } from './framework/consult-extenders.ts';
import { CycleState } from './framework/cycle-state.ts';
import type { Extender } from './framework/extender.ts';
import { enoughNodes, findNodes, type Search } from './framework/find-nodes.ts';
import type { PostFilterResult } from './framework/framework.ts';
import type { Nominator } from './framework/nominator.ts';
import type { Question } from './framework/question.ts';
import { decide, type SchedulingDecision } from './framework/run-plugins.ts';
import { runPermit, runReserve, runUnreserve, type Placement, type TurnedDown } from './framework/run-reserve.ts';
import type { Timing } from './framework/timing.ts';
import { explainRejections } from './plan/explain-rejections.ts';
import type { PodReporter } from './pod-reporter.ts';
import type { QueueEntry } from './queue/queue-entry.ts';
import { NO_NODES } from './queue/queueing-hints.ts';
import type { SchedulingQueue } from './queue/scheduling-queue.ts';
import type { SchedulerMetrics } from './scheduler-metrics.ts';

export interface SchedulingCycleOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly profiles: ReadonlyMap<string, Profile>;
  readonly extenders: readonly Extender[];
  readonly cache: SchedulerCache;
  readonly queue: SchedulingQueue;
  readonly nominator: Nominator;
  readonly bindingCycle: BindingCycle;
  readonly reporter: PodReporter;
  readonly metrics: SchedulerMetrics | undefined;
  readonly tieBreaker: (candidates: number) => number;
}

/** So often is a pod shown to extenders in one try, if others take the places that they left. */
const MOST_CONSULTATIONS = 3;

/** One pod's try. */
interface Attempt {
  readonly entry: QueueEntry;
  readonly pod: Pod;
  readonly profile: Profile;
  readonly beganMs: number;
  readonly timing: Timing | undefined;
}

export class SchedulingCycle {
  private readonly options: SchedulingCycleOptions;
  /** Where the next pod's search begins. */
  private start = 0;
  private readonly running = new Set<Promise<void>>();
  private readonly turns = new ExtenderTurns();
  private bindings = 0;

  constructor(options: SchedulingCycleOptions) {
    this.options = options;
  }

  /** How many pods are being bound now, those left out that wait for permission. */
  get binding(): number {
    return this.bindings;
  }

  /** Tries the pod. What is returned, if anything, is to be awaited before the next one is tried. Never throws. */
  schedule(entry: QueueEntry, signal: AbortSignal): Promise<void> | undefined {
    const { profiles, cache, queue, metrics, extenders } = this.options;
    const { pod } = entry;
    const profile = profiles.get(entry.schedulerName);
    // It has a place already: the API's word for it was late.
    if (profile === undefined || cache.nodeOf(entry.uid) !== undefined) {
      queue.remove(entry.uid);
      return undefined;
    }
    const timing = metrics?.timing(profile.schedulerName);
    const attempt: Attempt = { entry, pod, profile, beganMs: performance.now(), timing };
    try {
      if (needsExtenders(extenders, pod)) {
        this.track(this.turns.run(() => this.withExtenders(attempt, signal)));
        return undefined;
      }
      return this.conclude(attempt, decide(this.question(attempt)), signal);
    } catch (error) {
      this.fail(attempt, error, errorText(error), signal);
      return undefined;
    }
  }

  /** Resolves when everything that runs beside decisions has ended. */
  async settled(): Promise<void> {
    while (this.running.size > 0) await Promise.allSettled(this.running);
  }

  private question({ pod, profile, timing }: Attempt, consultation?: Consultation): Question {
    const { cache, nominator, tieBreaker } = this.options;
    const question = { plugins: profile.plugins, pod, snapshot: cache, nominator, tieBreaker, timing };
    if (consultation !== undefined) return { ...question, consultation };
    const enough = enoughNodes(cache.nodes.length, profile.percentageOfNodesToScore);
    return { ...question, enough, start: this.start };
  }

  /** Nobody else waits for it: extenders may be slow. Never throws. */
  private async withExtenders(first: Attempt, signal: AbortSignal): Promise<void> {
    const { extenders, logger } = this.options;
    const { entry } = first;
    let attempt = first;
    try {
      for (let tries = 0; tries < MOST_CONSULTATIONS; tries++) {
        const search = findNodes(this.question(attempt), new CycleState());
        const { feasible } = search;
        const told =
          feasible.length === 0
            ? undefined
            : await consultExtenders(extenders, attempt.pod, feasible, { signal, logger });
        // Meanwhile it was bound by another, deleted or changed.
        if (entry.place !== 'trying') return;
        attempt = { ...attempt, pod: entry.pod };
        const decision = decide(this.question(attempt, told === undefined ? undefined : withPlugins(told, search)));
        const isTaken = decision.kind === 'unschedulable' && told !== undefined && told.nodeNames.size > 0;
        if (!isTaken) return await this.conclude(attempt, decision, signal);
      }
      throw new Error('the places that extenders left were taken while they were asked');
    } catch (error) {
      if (!signal.aborted) this.fail(attempt, error, errorText(error), signal);
    }
  }

  private conclude(attempt: Attempt, decision: SchedulingDecision, signal: AbortSignal): Promise<void> | undefined {
    const { cache, metrics } = this.options;
    metrics?.decided((performance.now() - attempt.beganMs) / 1000);
    this.start = cache.nodes.length === 0 ? 0 : (this.start + decision.looked) % cache.nodes.length;
    if (decision.kind === 'unschedulable') return this.makeRoom(attempt, decision, signal);
    this.place(attempt, decision, signal);
    return undefined;
  }

  /** Takes the place and goes on beside the next decision. */
  private place(
    attempt: Attempt,
    { nodeName, state }: Extract<SchedulingDecision, { kind: 'fits' }>,
    signal: AbortSignal,
  ): void {
    const { cache, nominator } = this.options;
    const { pod, profile, timing } = attempt;
    const placement: Placement = { plugins: profile.plugins, state, pod, nodeName, timing };
    cache.assume(pod, nodeName);
    nominator.forget(attempt.entry.uid);
    try {
      const turned = runReserve(placement);
      if (turned !== undefined) return this.turnDown(attempt, placement, turned, signal);
      const permit = runPermit(placement);
      if ('rejection' in permit) return this.turnDown(attempt, placement, permit, signal);
      this.track(this.bind(attempt, placement, permit, signal));
    } catch (error) {
      this.giveBack(placement, () => this.fail(attempt, error, errorText(error), signal));
    }
  }

  private async bind(
    attempt: Attempt,
    placement: Placement,
    waits: ReadonlyMap<string, number>,
    signal: AbortSignal,
  ): Promise<void> {
    const { bindingCycle, queue, metrics, reporter, logger } = this.options;
    const { entry, pod, profile, beganMs } = attempt;
    if (waits.size > 0) {
      const waitedFromMs = performance.now();
      const verdict = await bindingCycle.permission(placement, waits, signal);
      metrics?.waited(verdict === 'allowed' ? 'allowed' : 'rejected', (performance.now() - waitedFromMs) / 1000);
      if (signal.aborted) return;
      if (verdict !== 'allowed') {
        const rejection = { reason: verdict.reason, unresolvable: false };
        return this.turnDown(attempt, placement, { plugin: verdict.plugin, rejection }, signal);
      }
    }
    // From here on the pod can fail, but nobody turns it down any more.
    queue.settle(entry);
    this.bindings++;
    const outcome = await bindingCycle.bind(placement, signal);
    this.bindings--;
    if (signal.aborted && outcome.kind !== 'bound') return;
    if (outcome.kind === 'bound') {
      queue.remove(entry.uid);
      reporter.scheduled(pod, placement.nodeName);
      metrics?.attempted('scheduled', profile.schedulerName, (performance.now() - beganMs) / 1000);
      metrics?.bound(entry.attempts, (this.options.clock.monotonicMs() - entry.addedMs) / 1000);
      return bindingCycle.afterwards(placement, signal);
    }
    if (outcome.kind === 'lost') {
      // Somebody else's node is told by the informer.
      return this.giveBack(placement, () => queue.remove(entry.uid));
    }
    const { error } = outcome;
    logger.warn({ pod: entry.key, node: placement.nodeName, err: error }, 'binding failed; trying again');
    this.giveBack(placement, () => this.fail(attempt, error, `binding rejected: ${errorText(error)}`, signal));
  }

  /** A plugin said no to the node that was chosen. */
  private turnDown(attempt: Attempt, placement: Placement, turned: TurnedDown, signal: AbortSignal): void {
    const message = explainRejections(1, new Map([[placement.nodeName, [turned.rejection]]]));
    this.giveBack(placement, () => this.park(attempt, message, [turned.plugin], signal));
  }

  /** @param requeue what becomes of the pod, before others hear of the place: it must not be tried again for its own going */
  private giveBack(placement: Placement, requeue: () => void): void {
    const { cache, queue, nominator, logger } = this.options;
    const { pod } = placement;
    const { uid = '' } = pod.metadata;
    runUnreserve(placement, (plugin, error) =>
      logger.error({ plugin, pod: pod.metadata.name, err: error }, 'Unreserve failed'),
    );
    const isFree = cache.forget(uid);
    const nominated = pod.status?.nominatedNodeName ?? '';
    if (isFree && nominated !== '') nominator.nominate(pod, nominated);
    requeue();
    if (isFree) queue.notify({ resource: 'Pod', actions: ['AssignedPodDelete'], older: pod, newer: undefined }, uid);
  }

  /** Tells why the pod fits nowhere, and lets PostFilter do something about it. Decided before the pod is queued again. */
  private makeRoom(
    attempt: Attempt,
    { message, diagnosis, state }: Extract<SchedulingDecision, { kind: 'unschedulable' }>,
    signal: AbortSignal,
  ): Promise<void> | undefined {
    const { metrics } = this.options;
    const { pod, profile } = attempt;
    const rejectedBy = diagnosis.byNode.size === 0 && diagnosis.plugins.size === 0 ? [NO_NODES] : diagnosis.plugins;
    const { postFilter } = profile.plugins;
    if (postFilter.length === 0 || diagnosis.byNode.size === 0) {
      this.park(attempt, message, rejectedBy, signal);
      return undefined;
    }
    const ask = async (): Promise<void> => {
      const beganMs = performance.now();
      let told = message;
      let found: PostFilterResult | undefined;
      for (const { plugin } of postFilter) {
        const answer = plugin.postFilter?.(state, pod, diagnosis);
        const result = answer instanceof Promise ? await answer : answer;
        if (result?.message !== undefined) told = `${told} ${result.message}`;
        found ??= result?.nominatedNodeName === undefined ? undefined : result;
        if ((found?.nominatedNodeName ?? '') !== '') break;
      }
      const isFound = (found?.nominatedNodeName ?? '') !== '';
      const status = isFound ? 'Success' : 'Unschedulable';
      attempt.timing?.point('PostFilter', status, (performance.now() - beganMs) / 1000);
      metrics?.preempted(isFound ? (found?.victims ?? 0) : undefined);
      if (found !== undefined) this.nominate(attempt, found, signal);
      this.park(attempt, told, rejectedBy, signal);
    };
    return ask().catch((error: unknown) => {
      if (!signal.aborted) this.fail(attempt, error, errorText(error), signal);
    });
  }

  private nominate({ entry, pod }: Attempt, result: PostFilterResult, signal: AbortSignal): void {
    const { nominator, queue, logger } = this.options;
    const { nominatedNodeName = '' } = result;
    // From now on nobody of lower rank may take the place.
    if (nominatedNodeName === '') nominator.forget(entry.uid);
    else nominator.nominate(pod, nominatedNodeName);
    const carryOut = async (): Promise<void> => {
      try {
        await result.carryOut?.(signal);
      } catch (error) {
        if (signal.aborted) return;
        logger.warn({ pod: entry.key, node: nominatedNodeName, err: error }, 'preemption failed; trying again');
        queue.retryParked(entry.uid);
      }
    };
    this.track(carryOut());
  }

  private park(
    { entry, pod, profile, beganMs }: Attempt,
    message: string,
    by: Iterable<string>,
    signal: AbortSignal,
  ): void {
    const { queue, reporter, metrics } = this.options;
    metrics?.attempted('unschedulable', profile.schedulerName, (performance.now() - beganMs) / 1000);
    const isKnown = entry.place === 'trying';
    queue.park(entry, by);
    if (isKnown) reporter.waits(entry.pod ?? pod, 'Unschedulable', message, signal);
  }

  private fail({ entry, profile, beganMs }: Attempt, error: unknown, message: string, signal: AbortSignal): void {
    const { queue, reporter, metrics, logger } = this.options;
    metrics?.attempted('error', profile.schedulerName, (performance.now() - beganMs) / 1000);
    logger.debug({ pod: entry.key, err: error }, 'the pod could not be tried');
    const isKnown = entry.place === 'trying';
    queue.retry(entry);
    if (isKnown) reporter.waits(entry.pod, 'SchedulerError', message, signal);
  }

  private track(work: Promise<void>): void {
    this.running.add(work);
    void work.finally(() => this.running.delete(work));
  }
}

/** Where extenders left nothing, the pod is told of plugins' reasons as well. */
function withPlugins(consultation: Consultation, search: Search): Consultation {
  if (consultation.nodeNames.size > 0) return consultation;
  const { byNode } = search.diagnosis();
  return { ...consultation, rejections: new Map([...byNode, ...consultation.rejections]) };
}
