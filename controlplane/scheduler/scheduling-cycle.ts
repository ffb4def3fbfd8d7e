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
import { AttemptOutcomes, type Attempt } from './attempt-outcomes.ts';
import type { BindingCycle } from './binding-cycle.ts';
import { ExtenderTurns } from './extender-turns.ts';
import type { SchedulerCache } from './cache/scheduler-cache.ts';
import type { Profile } from './create-profiles.ts';
import { consultExtenders, needsExtenders, type Consultation } from './framework/consult-extenders.ts';
import { CycleState } from './framework/cycle-state.ts';
import type { Extender } from './framework/extender.ts';
import { enoughNodes, findNodes, type Search } from './framework/find-nodes.ts';
import type { QueuedPod } from './framework/framework.ts';
import type { Nominator } from './framework/nominator.ts';
import type { Question } from './framework/question.ts';
import { decide, type SchedulingDecision } from './framework/run-plugins.ts';
import { runPermit, runReserve, runUnreserve, type Placement, type TurnedDown } from './framework/run-reserve.ts';
import { explainRejections } from './plan/explain-rejections.ts';
import type { PodReporter } from './pod-reporter.ts';
import { podLeft } from './queue/cluster-change.ts';
import type { QueueEntry } from './queue/queue-entry.ts';
import type { SchedulingQueue } from './queue/scheduling-queue.ts';
import { RunningWork } from './running-work.ts';
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
  /** The order of QueueSort. */
  compare(a: QueuedPod, b: QueuedPod): number;
}

/** So often is a pod shown to extenders in one try, if others take the places that they left. */
const MOST_CONSULTATIONS = 3;

export class SchedulingCycle {
  private readonly options: SchedulingCycleOptions;
  /** Where the next pod's search begins. */
  private start = 0;
  private readonly running = new RunningWork();
  private readonly outcomes: AttemptOutcomes;
  private readonly turns: ExtenderTurns;

  constructor(options: SchedulingCycleOptions) {
    this.options = options;
    this.outcomes = new AttemptOutcomes(options, this.running);
    this.turns = new ExtenderTurns((a, b) => options.compare(a, b));
  }

  /** Tries the pod; what takes its time goes on beside the next ones. Never throws. */
  schedule(entry: QueueEntry, signal: AbortSignal): void {
    const { profiles, cache, queue, metrics, extenders } = this.options;
    const { pod } = entry;
    const profile = profiles.get(entry.schedulerName);
    // It has a place already: the API's word for it was late.
    if (profile === undefined || cache.nodeOf(entry.uid) !== undefined) {
      return queue.remove(entry.uid);
    }
    const timing = metrics?.timing(profile.schedulerName);
    const attempt: Attempt = { entry, pod, profile, beganMs: performance.now(), timing };
    try {
      if (needsExtenders(extenders, pod)) {
        queue.settle(entry);
        return this.running.track(this.turns.run(entry, () => this.withExtenders(attempt, signal)));
      }
      const pending = this.conclude(attempt, decide(this.question(attempt)), signal);
      if (pending !== undefined) this.running.track(pending);
    } catch (error) {
      this.outcomes.fail(attempt, error, errorText(error), signal);
    }
  }

  /** Resolves when everything that runs beside decisions has ended. */
  settled(): Promise<void> {
    return this.running.settled();
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
    const { extenders, logger, queue } = this.options;
    const { entry } = first;
    // Its turn may have come late.
    if (entry.place !== 'trying' || signal.aborted) return;
    queue.resume(entry);
    let attempt: Attempt = { ...first, pod: entry.pod, beganMs: performance.now() };
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
      if (!signal.aborted) this.outcomes.fail(attempt, error, errorText(error), signal);
    }
  }

  private conclude(attempt: Attempt, decision: SchedulingDecision, signal: AbortSignal): Promise<void> | undefined {
    const { cache, metrics } = this.options;
    metrics?.decided((performance.now() - attempt.beganMs) / 1000);
    this.start = cache.nodes.length === 0 ? 0 : (this.start + decision.looked) % cache.nodes.length;
    if (decision.kind === 'unschedulable') return this.outcomes.makeRoom(attempt, decision, signal);
    this.place(attempt, decision, signal);
    return undefined;
  }

  /** Takes the place and goes on beside the next decision. */
  private place(
    attempt: Attempt,
    { nodeName, state }: Extract<SchedulingDecision, { kind: 'fits' }>,
    signal: AbortSignal,
  ): void {
    const { cache, nominator, queue } = this.options;
    const { pod, profile, timing, entry } = attempt;
    const placement: Placement = { plugins: profile.plugins, state, pod, nodeName, timing };
    const kept = nominator.nodeOf(entry.uid);
    cache.assume(pod, nodeName);
    nominator.forget(entry.uid);
    if (kept !== undefined && kept !== nodeName) queue.notify(podLeft(pod, kept), entry.uid);
    try {
      const turned = runReserve(placement);
      if (turned !== undefined) return this.turnDown(attempt, placement, turned, signal);
      const permit = runPermit(placement);
      if ('rejection' in permit) return this.turnDown(attempt, placement, permit, signal);
      this.running.track(this.bind(attempt, placement, permit, signal));
    } catch (error) {
      this.giveBack(entry, placement, () => this.outcomes.fail(attempt, error, errorText(error), signal));
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
    const outcome = await bindingCycle.bind(placement, signal);
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
      return this.giveBack(entry, placement, () => queue.remove(entry.uid));
    }
    const { error } = outcome;
    logger.warn({ pod: entry.key, node: placement.nodeName, err: error }, 'binding failed; trying again');
    this.giveBack(entry, placement, () =>
      this.outcomes.fail(attempt, error, `binding rejected: ${errorText(error)}`, signal),
    );
  }

  /** A plugin said no to the node that was chosen. */
  private turnDown(attempt: Attempt, placement: Placement, turned: TurnedDown, signal: AbortSignal): void {
    const message = explainRejections(1, new Map([[placement.nodeName, [turned.rejection]]]));
    this.giveBack(attempt.entry, placement, () => this.outcomes.park(attempt, message, [turned.plugin], signal));
  }

  /** @param requeue what becomes of the pod, before others hear of the place: it must not be tried again for its own going */
  private giveBack(entry: QueueEntry, placement: Placement, requeue: () => void): void {
    const { cache, queue, nominator, logger } = this.options;
    const { pod } = placement;
    const { uid = '' } = pod.metadata;
    runUnreserve(placement, (plugin, error) =>
      logger.error({ plugin, pod: pod.metadata.name, err: error }, 'Unreserve failed'),
    );
    const isFree = cache.forget(uid);
    requeue();
    const nominated = entry.pod.status?.nominatedNodeName ?? '';
    if (isFree && nominated !== '' && entry.place !== 'gone') nominator.nominate(entry.pod, nominated);
    // Of one that went by itself others have heard before its reservations were given back.
    if (isFree || entry.place === 'gone') queue.notify(podLeft(pod, placement.nodeName), uid);
  }
}

/** Where extenders left nothing, the pod is told of plugins' reasons as well. */
function withPlugins(consultation: Consultation, search: Search): Consultation {
  if (consultation.nodeNames.size > 0) return consultation;
  const { byNode } = search.diagnosis();
  return { ...consultation, rejections: new Map([...byNode, ...consultation.rejections]) };
}
