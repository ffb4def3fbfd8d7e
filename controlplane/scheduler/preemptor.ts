/**
 * Makes room for pods: carries out what `planPreemption` finds, and remembers for whom room was made where.
 */
import type { Client } from '../../machinery/client/client.ts';
import { subjectOf, type EventSink } from '../../machinery/client/event-recorder.ts';
import type { Lister } from '../../machinery/client/informer.ts';
import { pods } from '../../machinery/client/resource.ts';
import { isNotFound } from '../../machinery/meta/status-error-from.ts';
import { formatTime } from '../../machinery/meta/time.ts';
import type { Clock } from '../../machinery/process/clock.ts';
import type { Pod } from '../../proto/api/core-v1.ts';
import type { PodDisruptionBudget } from '../../proto/api/policy-v1.ts';
import type { Plugin, Rejection, Snapshot } from './framework/framework.ts';
import { priorityOf } from '../../machinery/meta/pod-priority.ts';
import { planPreemption, type PreemptionAnswer } from './framework/preemption.ts';
import type { Nominations } from './framework/run-plugins.ts';

export interface PreemptorOptions {
  client: Client;
  recorder: EventSink;
  clock: Clock;
  budgets: Lister<PodDisruptionBudget>;
  schedulerName: string;
}

export class Preemptor {
  private readonly options: PreemptorOptions;
  /** By node, then by uid. */
  private readonly nominated = new Map<string, Map<string, Pod>>();

  constructor(options: PreemptorOptions) {
    this.options = options;
  }

  /** The pods for which room was made; lives on. */
  get nominations(): Nominations {
    return this.nominated;
  }

  /** What the API says of a pod without a node. */
  note(pod: Pod): void {
    const node = pod.status?.nominatedNodeName ?? '';
    if (node === '') return;
    this.forget(pod);
    this.nominate(pod, node);
  }

  /** The pod has a node, or is gone. */
  forget({ metadata: { uid = '' } }: Pod): void {
    for (const [node, waiting] of this.nominated) {
      if (waiting.delete(uid) && waiting.size === 0) this.nominated.delete(node);
    }
  }

  plan(
    plugins: readonly Plugin[],
    pod: Pod,
    snapshot: Snapshot,
    rejections: ReadonlyMap<string, readonly Rejection[]>,
  ): PreemptionAnswer {
    const budgets = this.options.budgets.list();
    const answer = planPreemption({ plugins, pod, snapshot, rejections, budgets, nominations: this.nominations });
    // From now on nobody of lower rank may take the place.
    if (answer.kind === 'preempt') this.nominate(pod, answer.nodeName);
    return answer;
  }

  /** Deletes the victims and says in the pod's status where it will run. @throws StatusError */
  async carryOut(pod: Pod, nodeName: string, victims: readonly Pod[], signal: AbortSignal): Promise<void> {
    const overtaken = [...(this.nominated.get(nodeName)?.values() ?? [])].filter(
      other => priorityOf(other) < priorityOf(pod),
    );
    await Promise.all(victims.map(victim => this.evict(victim, pod, nodeName, signal)));
    for (const other of overtaken) {
      this.forget(other);
      await this.patchStatus(other, { nominatedNodeName: null }, signal);
    }
    await this.patchStatus(pod, { nominatedNodeName: nodeName }, signal);
  }

  private async evict(victim: Pod, pod: Pod, nodeName: string, signal: AbortSignal): Promise<void> {
    const { client, recorder, clock, schedulerName } = this.options;
    if (victim.metadata.deletionTimestamp !== undefined) return;
    const condition = {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'PreemptionByScheduler',
      message: `${schedulerName}: preempting to accommodate a higher priority pod`,
      lastTransitionTime: formatTime(clock.now()),
    };
    const { namespace, name = '', uid } = victim.metadata;
    try {
      await this.patchStatus(victim, { conditions: [condition] }, signal);
      await client.of(pods).delete({ namespace, name }, { preconditions: { uid }, signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      return;
    }
    const by = `Preempted by pod ${pod.metadata.uid} on node ${nodeName}`;
    recorder.event(subjectOf(pods, victim), 'Normal', 'Preempted', by);
  }

  private async patchStatus({ metadata }: Pod, status: object, signal: AbortSignal): Promise<void> {
    const ref = { namespace: metadata.namespace, name: metadata.name ?? '' };
    const patch = { metadata: { uid: metadata.uid }, status };
    try {
      await this.options.client.of(pods).patch(ref, patch, { type: 'strategic', subresource: 'status', signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  private nominate(pod: Pod, node: string): void {
    const waiting = this.nominated.get(node) ?? new Map<string, Pod>();
    waiting.set(pod.metadata.uid ?? '', pod);
    this.nominated.set(node, waiting);
  }
}
