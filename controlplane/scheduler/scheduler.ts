/**
 * Finds a node for every pod that has none: informers -> SchedulingQueue -> one decision at a time -> binding beside the next decision.
 *
 * - Deciding never awaits: the snapshot cannot change under it. The pod is assumed on its node before its binding is sent.
 * - A binding that fails takes the assumption back and the pod is tried again.
 * - A pod that fits nowhere says so in its PodScheduled condition and an event, once per distinct reason, and waits for a change.
 *
 * Differs: the scheduler has a queue of its own instead of the WorkQueue, since order (priority) and waiting for a change are its business.
 */
import { jsonEquals } from '../../machinery/meta/json-value.ts';
import { randomInt } from 'node:crypto';
import type { Client } from '../../machinery/client/client.ts';
import { subjectOf, type EventSink } from '../../machinery/client/event-recorder.ts';
import type { InformerFactory } from '../../machinery/client/informer.ts';
import {
  csiDrivers,
  csiNodes,
  namespaces,
  nodes,
  persistentVolumeClaims,
  persistentVolumes,
  podDisruptionBudgets,
  pods,
  storageClasses,
} from '../../machinery/client/resource.ts';
import { StatusError } from '../../machinery/meta/status-error.ts';
import { aborted } from '../../machinery/process/aborted.ts';
import type { MetricsRegistry } from '../../machinery/process/metrics.ts';
import type { Clock } from '../../machinery/process/clock.ts';
import type { Component } from '../../machinery/process/component.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import type { Node, Pod } from '../../proto/api/core-v1.ts';
import { errorText } from '../../machinery/meta/error-text.ts';
import { keyOf } from '../../machinery/meta/object.ts';
import { takesLess } from './plan/resources.ts';
import type { VolumeDecision } from './plan/volumes.ts';
import type { Extender } from './framework/extender.ts';
import type { Handle } from './framework/handle.ts';
import { Nominator } from './framework/nominator.ts';
import { creatorOf, placePlugins, type PluginsByPoint } from './framework/profile.ts';
import { decideNode, runFilters, type SchedulingDecision } from './framework/run-plugins.ts';
import { WaitingPods } from './framework/waiting-pods.ts';
import { defaultProfile } from './plugins/default-profile.ts';
import { pluginRegistry } from './plugins/registry.ts';
import { Preemptor } from './preemptor.ts';
import { SchedulerCache } from './scheduler-cache.ts';
import { SchedulingQueue } from './scheduling-queue.ts';
import { VolumeBinder } from './volume-binder.ts';
import { priorityOf } from '../../machinery/meta/pod-priority.ts';

export interface SchedulerOptions {
  client: Client;
  informers: InformerFactory;
  recorder: EventSink;
  clock: Clock;
  logger: Logger;
  /** Where it counts what it does, under upstream's names; default nowhere. */
  metrics?: MetricsRegistry | undefined;
  /** Pods of other schedulers are left alone. Default `default-scheduler`. */
  schedulerName?: string | undefined;
  /** Web services that have a say in decisions; default none. */
  extenders?: readonly Extender[] | undefined;
  /** Chooses among equally good nodes: an index below its argument. Default random. */
  tieBreaker?: ((candidates: number) => number) | undefined;
}

/** What must have been listed before the first decision, besides pods. */
const WATCHED = [
  nodes,
  namespaces,
  persistentVolumeClaims,
  persistentVolumes,
  storageClasses,
  csiNodes,
  csiDrivers,
  podDisruptionBudgets,
] as const;
const FINISHED = new Set(['Succeeded', 'Failed']);

export class Scheduler implements Component {
  readonly name = 'scheduler';
  private readonly options: SchedulerOptions;
  private readonly schedulerName: string;
  private readonly cache = new SchedulerCache();
  private readonly queue: SchedulingQueue;
  private readonly plugins: PluginsByPoint;
  private readonly nominator = new Nominator();
  private readonly preemptor: Preemptor;
  private readonly volumes: VolumeBinder;
  private readonly binding = new Set<Promise<void>>();

  constructor(options: SchedulerOptions) {
    this.options = options;
    this.schedulerName = options.schedulerName ?? 'default-scheduler';
    this.queue = new SchedulingQueue(options.clock);
    const { client, recorder, clock, informers } = options;
    const budgets = informers.informer(podDisruptionBudgets).lister;
    const { nominator, schedulerName } = this;
    this.preemptor = new Preemptor({ client, recorder, clock, nominator, budgets, schedulerName });
    this.volumes = new VolumeBinder({ client, informers, clock });
    const handle: Handle = {
      ...options,
      schedulerName,
      nominator,
      waitingPods: new WaitingPods(clock),
      extenders: options.extenders ?? [],
      volumes: this.volumes,
      snapshot: () => this.cache.snapshot(),
      addPod: (state, pod, other, node) => {
        for (const { plugin } of this.plugins.preFilter) plugin.addPod?.(state, pod, other, node);
      },
      removePod: (state, pod, other, node) => {
        for (const { plugin } of this.plugins.preFilter) plugin.removePod?.(state, pod, other, node);
      },
      runFilters: (state, pod, node) => runFilters(this.plugins, state, pod, node, nominator),
    };
    this.plugins = placePlugins(defaultProfile, creatorOf(pluginRegistry, handle));
  }

  async ready(): Promise<void> {
    await Promise.all(WATCHED.map(r => this.options.informers.informer<never>(r as never).synced()));
    await this.options.informers.informer(pods).synced();
  }

  async run(signal: AbortSignal): Promise<void> {
    const remove = this.watch();
    try {
      await Promise.race([this.ready(), aborted(signal)]);
      for (let key = await this.queue.pop(signal); key !== undefined; key = await this.queue.pop(signal)) {
        this.scheduleOne(key, signal);
        // Let events in between two decisions, so that bindings and watches flow while a long queue is worked off.
        await new Promise<void>(resolve => setImmediate(resolve));
      }
    } finally {
      for (const off of remove) off();
      await Promise.allSettled(this.binding);
    }
  }

  private watch(): (() => void)[] {
    const { informers } = this.options;
    return [
      informers.informer(nodes).addHandler({
        onAdd: node => {
          this.cache.setNode(node);
          this.queue.moveAll();
        },
        onUpdate: (older, newer) => {
          this.cache.setNode(newer);
          if (nodeMayHelp(older, newer)) this.queue.moveAll();
        },
        onDelete: node => this.cache.removeNode(node.metadata.name ?? ''),
      }),
      informers.informer(pods).addHandler({
        onAdd: pod => this.onPod(pod, undefined),
        onUpdate: (older, newer) => this.onPod(newer, older),
        onDelete: pod => this.onPodGone(pod),
      }),
      ...[persistentVolumeClaims, persistentVolumes, storageClasses, csiNodes, csiDrivers].map(resource =>
        informers.informer<never>(resource as never).addHandler({
          onAdd: () => this.queue.moveAll(),
          onUpdate: () => this.queue.moveAll(),
        }),
      ),
    ];
  }

  private onPod(pod: Pod, older: Pod | undefined): void {
    const nodeName = pod.spec.nodeName ?? '';
    if (FINISHED.has(pod.status?.phase ?? '')) return this.onPodGone(pod);
    if (nodeName !== '') {
      this.queue.remove(keyOf(pod));
      this.preemptor.forget(pod);
      if (older !== undefined && older.metadata.uid !== pod.metadata.uid)
        this.cache.removePod(older.metadata.uid ?? '');
      this.cache.placePod(pod, nodeName);
      // A pod that arrives or changes its labels can satisfy another's affinity; one that was resized may leave room.
      const isNew = older === undefined || (older.spec.nodeName ?? '') === '';
      if (isNew || !jsonEquals(older.metadata.labels, pod.metadata.labels) || takesLess(pod, older))
        this.queue.moveAll();
      return;
    }
    if (pod.spec.schedulerName !== undefined && pod.spec.schedulerName !== this.schedulerName) return;
    if (pod.metadata.deletionTimestamp !== undefined) return this.queue.remove(keyOf(pod));
    this.preemptor.note(pod);
    // An update of its own condition is no reason to try again.
    if (
      older === undefined ||
      older.metadata.generation !== pod.metadata.generation ||
      older.metadata.uid !== pod.metadata.uid
    ) {
      this.queue.add(keyOf(pod), priorityOf(pod));
    }
  }

  private onPodGone(pod: Pod): void {
    this.queue.remove(keyOf(pod));
    this.preemptor.forget(pod);
    if (this.cache.nodeOf(pod.metadata.uid ?? '') === undefined) return;
    this.cache.removePod(pod.metadata.uid ?? '');
    this.queue.moveAll();
  }

  private scheduleOne(key: string, signal: AbortSignal): void {
    const slash = key.indexOf('/');
    const pod = this.options.informers.informer(pods).lister.get(key.slice(0, slash), key.slice(slash + 1));
    if (pod === undefined || (pod.spec.nodeName ?? '') !== '' || pod.metadata.deletionTimestamp !== undefined)
      return this.queue.done(key);
    const gated = this.plugins.preEnqueue
      .map(({ plugin }) => plugin.preEnqueue?.(pod))
      .find(each => each !== undefined);
    if (gated !== undefined) {
      this.queue.park(key);
      if (condition(pod)?.reason !== 'SchedulingGated')
        this.track(this.report(pod, 'SchedulingGated', gated.reason, signal));
      return;
    }
    const choose = this.options.tieBreaker ?? randomInt;
    const snapshot = this.cache.snapshot();
    const decision: SchedulingDecision = decideNode(this.plugins, pod, snapshot, choose, this.nominator);
    if (decision.kind === 'unschedulable') {
      this.queue.park(key);
      this.track(this.makeRoom(key, pod, decision, signal));
      return;
    }
    this.preemptor.forget(pod);
    this.cache.placePod(pod, decision.nodeName);
    const node = snapshot.node(decision.nodeName)?.node;
    const volumes = node === undefined ? undefined : this.volumes.reserve(pod, node);
    this.track(this.bind(key, pod, decision.nodeName, volumes, signal));
  }

  /** Tells why the pod fits nowhere, and makes less important pods go if that helps. Decides before the first await. */
  private async makeRoom(
    key: string,
    pod: Pod,
    { message, diagnosis }: Extract<SchedulingDecision, { kind: 'unschedulable' }>,
    signal: AbortSignal,
  ): Promise<void> {
    const answer = this.preemptor.plan(this.plugins, pod, this.cache.snapshot(), diagnosis.byNode);
    const told = answer.kind === 'none' ? `${message} preemption: ${answer.message}` : message;
    const known = condition(pod);
    if (known?.reason !== 'Unschedulable' || known.message !== told) {
      this.options.recorder.event(subjectOf(pods, pod), 'Warning', 'FailedScheduling', told);
      await this.report(pod, 'Unschedulable', told, signal);
    }
    if (answer.kind === 'none') return;
    try {
      await this.preemptor.carryOut(pod, answer.nodeName, answer.victims, signal);
    } catch (error) {
      if (signal.aborted) return;
      this.options.logger.warn({ pod: key, node: answer.nodeName, err: error }, 'preemption failed; trying again');
      this.queue.moveAll();
    }
  }

  private async bind(
    key: string,
    pod: Pod,
    nodeName: string,
    volumes: VolumeDecision | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { client, recorder, logger } = this.options;
    const ref = { namespace: pod.metadata.namespace, name: pod.metadata.name ?? '' };
    try {
      if (volumes !== undefined) await this.volumes.bind(volumes, nodeName, signal);
      const target = { apiVersion: 'v1', kind: 'Node', name: nodeName };
      const metadata = { ...ref, uid: pod.metadata.uid };
      await client
        .of(pods)
        .createSubresource(ref, 'binding', { apiVersion: 'v1', kind: 'Binding', metadata, target }, signal);
      this.queue.done(key);
      recorder.event(subjectOf(pods, pod), 'Normal', 'Scheduled', `Successfully assigned ${key} to ${nodeName}`);
    } catch (error) {
      if (signal.aborted) return;
      this.cache.removePod(pod.metadata.uid ?? '');
      const gone = error instanceof StatusError && (error.reason === 'NotFound' || error.reason === 'Conflict');
      if (gone) return this.settleLost(key);
      logger.warn({ pod: key, node: nodeName, err: error }, 'binding failed; trying again');
      recorder.event(pod, 'Warning', 'FailedScheduling', `binding rejected: ${errorText(error)}`);
      this.queue.retry(key);
    }
  }

  /** The pod we decided for is not there any more, or somebody else bound it; a namesake may have taken its place. */
  private settleLost(key: string): void {
    const slash = key.indexOf('/');
    const current = this.options.informers.informer(pods).lister.get(key.slice(0, slash), key.slice(slash + 1));
    if (current === undefined || (current.spec.nodeName ?? '') !== '') this.queue.done(key);
    else this.queue.retry(key);
    if (current !== undefined && (current.spec.nodeName ?? '') !== '')
      this.cache.placePod(current, current.spec.nodeName ?? '');
  }

  private async report(pod: Pod, reason: string, message: string, signal: AbortSignal): Promise<void> {
    const older = condition(pod);
    const nowTime = new Date(this.options.clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
    const fresh = {
      type: 'PodScheduled',
      status: 'False',
      reason,
      message,
      lastTransitionTime: older?.status === 'False' ? older.lastTransitionTime : nowTime,
      observedGeneration: pod.metadata.generation,
    };
    try {
      const ref = { namespace: pod.metadata.namespace, name: pod.metadata.name ?? '' };
      const patch = { metadata: { uid: pod.metadata.uid }, status: { conditions: [fresh] } };
      await this.options.client.of(pods).patch(ref, patch, { type: 'strategic', subresource: 'status', signal });
    } catch (error) {
      if (
        signal.aborted ||
        (error instanceof StatusError && ['NotFound', 'Conflict', 'Invalid'].includes(error.reason))
      )
        return;
      this.options.logger.warn({ pod: keyOf(pod), err: error }, 'the pod cannot be told why it waits');
    }
  }

  private track(work: Promise<void>): void {
    this.binding.add(work);
    void work.finally(() => this.binding.delete(work));
  }
}

function condition(pod: Pod):
  | {
      status: string;
      reason?: string | undefined;
      message?: string | undefined;
      lastTransitionTime?: string | undefined;
    }
  | undefined {
  return pod.status?.conditions?.find(c => c.type === 'PodScheduled');
}

/** Heartbeats change nothing that a waiting pod could wait for. */
function nodeMayHelp(older: Node, newer: Node): boolean {
  const relevant = (n: Node): string =>
    JSON.stringify([
      n.spec.unschedulable,
      n.spec.taints,
      n.metadata.labels,
      n.status?.allocatable,
      n.status?.conditions?.map(c => [c.type, c.status]),
    ]);
  return relevant(older) !== relevant(newer);
}
