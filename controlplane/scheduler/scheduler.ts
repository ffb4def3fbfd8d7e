/**
 * Finds a node for every pod that has none: informers -> SchedulingQueue -> one decision at a time -> binding beside the next decision.
 *
 * - Deciding never awaits: what is known of the cluster cannot change under it. See `scheduling-cycle.ts` for a pod's way.
 * - Nothing is decided before everything was listed once; nothing is remembered but what the API knows, so a restart costs the time of a list.
 * - Decisions let events in between them, and wait while too many bindings are under way.
 *
 * Differs: the scheduler has a queue of its own instead of the WorkQueue, since order (priority) and waiting for a change are its business.
 */
import type { Client } from '../../machinery/client/client.ts';
import type { EventSink } from '../../machinery/client/event-recorder.ts';
import type { InformerFactory } from '../../machinery/client/informer.ts';
import { nodes, pods } from '../../machinery/client/resource.ts';
import { aborted } from '../../machinery/process/aborted.ts';
import type { Clock } from '../../machinery/process/clock.ts';
import type { Component } from '../../machinery/process/component.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import type { MetricsRegistry } from '../../machinery/process/metrics.ts';
import type { Pod } from '../../proto/api/core-v1.ts';
import { BindingCycle } from './binding-cycle.ts';
import { SchedulerCache } from './cache/scheduler-cache.ts';
import { createProfiles, pluginsOfProfile, type Profile } from './create-profiles.ts';
import type { Extender } from './framework/extender.ts';
import type { Plugin, PluginRegistry } from './framework/framework.ts';
import { Nominator } from './framework/nominator.ts';
import type { ProfileSpec } from './framework/profile.ts';
import { WaitingPods } from './framework/waiting-pods.ts';
import { defaultProfile } from './plugins/default-profile.ts';
import { pluginRegistry } from './plugins/registry.ts';
import { PodReporter } from './pod-reporter.ts';
import { QueueingHints } from './queue/queueing-hints.ts';
import { gateOf, orderOf } from './queue/plugin-words.ts';
import { schedulerNameOf } from './queue/queue-entry.ts';
import { SchedulingQueue } from './queue/scheduling-queue.ts';
import { SchedulerMetrics } from './scheduler-metrics.ts';
import { SchedulingCycle } from './scheduling-cycle.ts';
import { VolumeBinder } from './volume-binder.ts';
import { watchCluster } from './watch-cluster.ts';

export interface SchedulerOptions {
  client: Client;
  /** For the scheduler alone: it waits for all that were asked for. */
  informers: InformerFactory;
  recorder: EventSink;
  clock: Clock;
  logger: Logger;
  /** Pods that name none of them as their scheduler are left alone. Default: upstream's default profile. */
  profiles?: readonly ProfileSpec[] | undefined;
  /** Plugins that profiles may name. Default: those that are built in. */
  registry?: PluginRegistry | undefined;
  extenders?: readonly Extender[] | undefined;
  /** Default 1 s and 10 s. */
  podInitialBackoffMs?: number | undefined;
  podMaxBackoffMs?: number | undefined;
  /** Chooses among equally good nodes: an index below its argument. Default random. */
  tieBreaker?: ((candidates: number) => number) | undefined;
  metrics?: MetricsRegistry | undefined;
}

/** So many bindings at once and no more. */
const MOST_BINDINGS = 128;
/** Decisions are made this long before events are let in. */
const TURN_MS = 3;

export class Scheduler implements Component {
  readonly name = 'scheduler';
  private readonly options: SchedulerOptions;
  private readonly cache = new SchedulerCache();
  private readonly nominator = new Nominator();
  private readonly waitingPods: WaitingPods;
  private readonly profiles: ReadonlyMap<string, Profile>;
  private readonly hints: QueueingHints;
  private readonly queue: SchedulingQueue;
  private readonly reporter: PodReporter;
  private readonly bindingCycle: BindingCycle;
  private readonly cycle: SchedulingCycle;

  /** @throws Error when a profile cannot be put together */
  constructor(options: SchedulerOptions) {
    this.options = options;
    const { client, informers, recorder, clock, logger, extenders = [] } = options;
    const { cache, nominator } = this;
    this.waitingPods = new WaitingPods(clock);
    const shared = {
      ...{ client, informers, recorder, clock, logger, extenders, nominator },
      waitingPods: this.waitingPods,
      volumes: new VolumeBinder({ client, informers, clock }),
      snapshot: () => cache,
    };
    this.profiles = createProfiles(options.profiles ?? [defaultProfile], options.registry ?? pluginRegistry, shared);
    const profiles = [...this.profiles.values()];
    const compare = orderOf(profiles[0]?.plugins.queueSort[0]?.plugin, logger);
    const hinted = profiles.map(profile => ({
      schedulerName: profile.schedulerName,
      plugins: pluginsOfProfile(profile),
    }));
    this.hints = new QueueingHints(hinted, logger);
    const metrics = options.metrics === undefined ? undefined : this.measureIn(options.metrics);
    this.queue = this.createQueue(compare, metrics);
    this.reporter = new PodReporter({ client, recorder, clock, logger });
    const { profiles: byName, queue, reporter, waitingPods } = this;
    this.bindingCycle = new BindingCycle({ client, clock, logger, waitingPods, extenders });
    this.cycle = new SchedulingCycle({
      ...{ clock, logger, profiles: byName, extenders, cache, queue, nominator, reporter, metrics },
      bindingCycle: this.bindingCycle,
      compare,
      tieBreaker: options.tieBreaker ?? (candidates => Math.floor(Math.random() * candidates)),
    });
  }

  async ready(): Promise<void> {
    const { informers } = this.options;
    await Promise.all([informers.informer(nodes).synced(), informers.informer(pods).synced()]);
    await informers.synced();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { cache, queue, nominator, waitingPods, hints } = this;
    const { informers } = this.options;
    const isOurs = (pod: Pod): boolean => this.profiles.has(schedulerNameOf(pod));
    const { resources } = hints;
    const stopWatching = watchCluster({ informers, cache, queue, nominator, waitingPods, isOurs, resources });
    try {
      await Promise.race([this.ready(), aborted(signal)]);
      await this.decideAll(signal);
    } finally {
      stopWatching();
      await this.cycle.settled();
      await this.reporter.settled();
      queue.close();
    }
  }

  private async decideAll(signal: AbortSignal): Promise<void> {
    let turnEndsMs = 0;
    while (!signal.aborted) {
      await this.bindingCycle.fewerThan(MOST_BINDINGS, signal);
      const entry = signal.aborted ? undefined : this.queue.tryPop();
      if (entry !== undefined) {
        this.cycle.schedule(entry, signal);
        if (performance.now() < turnEndsMs) continue;
      } else await this.queue.waitForPod(signal);
      // Bindings, watches and requests flow while a long queue is worked off.
      await new Promise<void>(resolve => setImmediate(resolve));
      turnEndsMs = performance.now() + TURN_MS;
    }
  }

  private createQueue(compare: NonNullable<Plugin['compare']>, metrics: SchedulerMetrics | undefined): SchedulingQueue {
    const { clock, podInitialBackoffMs, podMaxBackoffMs } = this.options;
    return new SchedulingQueue({
      clock,
      hints: this.hints,
      compare,
      gateOf: pod => this.gateOf(pod),
      ...(metrics === undefined ? {} : { onIncoming: (queue, event) => metrics.queued(queue, event) }),
      initialBackoffMs: podInitialBackoffMs,
      maxBackoffMs: podMaxBackoffMs,
    });
  }

  private gateOf(pod: Pod): string | undefined {
    const preEnqueue = this.profiles.get(schedulerNameOf(pod))?.plugins.preEnqueue ?? [];
    return gateOf(preEnqueue, pod, this.options.logger);
  }

  private measureIn(registry: MetricsRegistry): SchedulerMetrics {
    return new SchedulerMetrics(registry, {
      queue: () => this.queue.size,
      unschedulableByPlugin: () => this.queue.unschedulableByPlugin,
      cache: () => this.cache.size,
      bindings: () => this.bindingCycle.binding,
    });
  }
}
