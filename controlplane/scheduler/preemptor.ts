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
import type { Rejection } from './framework/framework.ts';
import { priorityOf } from '../../machinery/meta/pod-priority.ts';
import { planPreemption, type PreemptionAnswer } from './framework/preemption.ts';
import type { Nominator } from './framework/nominator.ts';
import type { PluginsByPoint } from './framework/profile.ts';
import type { Snapshot } from './framework/snapshot.ts';

export interface PreemptorOptions {
  client: Client;
  recorder: EventSink;
  clock: Clock;
  nominator: Nominator;
  budgets: Lister<PodDisruptionBudget>;
  schedulerName: string;
}

export class Preemptor {
  private readonly options: PreemptorOptions;

  constructor(options: PreemptorOptions) {
    this.options = options;
  }

  /** What the API says of a pod without a node. */
  note(pod: Pod): void {
    const node = pod.status?.nominatedNodeName ?? '';
    if (node === '') return;
    this.options.nominator.nominate(pod, node);
  }

  /** The pod has a node, or is gone. */
  forget({ metadata: { uid = '' } }: Pod): void {
    this.options.nominator.forget(uid);
  }

  plan(
    plugins: PluginsByPoint,
    pod: Pod,
    snapshot: Snapshot,
    rejections: ReadonlyMap<string, readonly Rejection[]>,
  ): PreemptionAnswer {
    const { nominator } = this.options;
    const budgets = this.options.budgets.list();
    const answer = planPreemption({ plugins, pod, snapshot, rejections, budgets, nominator });
    // From now on nobody of lower rank may take the place.
    if (answer.kind === 'preempt') nominator.nominate(pod, answer.nodeName);
    return answer;
  }

  /** Deletes the victims and says in the pod's status where it will run. @throws StatusError */
  async carryOut(pod: Pod, nodeName: string, victims: readonly Pod[], signal: AbortSignal): Promise<void> {
    const overtaken = [...this.options.nominator.on(nodeName).values()].filter(
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
}
