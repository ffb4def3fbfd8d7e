/**
 * Makes room that was decided on: sends victims away, and tells pods that had hoped for the same room.
 *
 * - While it goes on for a pod, `isRunning` says so: the pod must not choose other victims meanwhile.
 * - Source: upstream's `prepareCandidateAsync` (pkg/scheduler/framework/preemption, 1.36; KEP-4832).
 */
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import { pods } from '../../../machinery/client/resource.ts';
import { priorityOf } from '../../../machinery/meta/pod-priority.ts';
import { absent, isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { formatTime } from '../../../machinery/meta/time.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { Handle } from '../framework/handle.ts';
import type { Candidate } from '../plan/preemption-candidates.ts';

export const REASON = 'PreemptionByScheduler';

export class Eviction {
  private readonly plugin: string;
  private readonly handle: Handle;
  private readonly running = new Set<string>();

  /** @param plugin name of the plugin that makes room */
  constructor(plugin: string, handle: Handle) {
    this.plugin = plugin;
    this.handle = handle;
  }

  /** Whether victims are being sent away for the pod. */
  isRunning({ metadata }: Pod): boolean {
    return this.running.has(metadata.uid ?? '');
  }

  /** Begins at once, so that `isRunning` holds from here on. @throws StatusError */
  async carryOut(pod: Pod, { nodeName, victims }: Candidate, signal: AbortSignal): Promise<void> {
    const { uid = '' } = pod.metadata;
    this.running.add(uid);
    try {
      await Promise.all([
        this.patchStatus(pod, { nominatedNodeName: nodeName }, signal),
        this.clearLowerNominations(pod, nodeName, signal),
        ...victims.map(victim => this.evict(victim, pod, nodeName, signal)),
      ]);
    } finally {
      this.running.delete(uid);
    }
  }

  /** No room is kept for the pod any more. @throws StatusError */
  async clearNomination(pod: Pod, signal: AbortSignal): Promise<void> {
    this.handle.nominator.forget(pod.metadata.uid ?? '');
    if ((pod.status?.nominatedNodeName ?? '') !== '') await this.patchStatus(pod, { nominatedNodeName: null }, signal);
  }

  /** Pods that are less important may not fit there any more: they look for another place now, not when they find out. */
  private async clearLowerNominations(pod: Pod, nodeName: string, signal: AbortSignal): Promise<void> {
    const lower = [...this.handle.nominator.on(nodeName).values()].filter(other => priorityOf(other) < priorityOf(pod));
    await Promise.all(lower.map(other => this.clearNomination(other, signal)));
  }

  private async evict(victim: Pod, pod: Pod, nodeName: string, signal: AbortSignal): Promise<void> {
    const { client, recorder, clock, waitingPods } = this.handle;
    const { namespace, name = '', uid = '', generation } = victim.metadata;
    if (victim.metadata.deletionTimestamp !== undefined) return;
    // One that still waits for permission has nothing to stop.
    if (!waitingPods.reject(uid, this.plugin, 'preempted')) {
      const condition = {
        type: 'DisruptionTarget',
        status: 'True',
        reason: REASON,
        message: `${this.handle.schedulerName}: preempting to accommodate a higher priority pod`,
        lastTransitionTime: formatTime(clock.now()),
        observedGeneration: generation,
      };
      try {
        await this.patchStatus(victim, { conditions: [condition] }, signal);
        await client.of(pods).delete({ namespace, name }, { preconditions: { uid }, signal });
      } catch (error) {
        if (!isNotFound(error)) throw error;
        return;
      }
    }
    const by = `Preempted by pod ${pod.metadata.uid} on node ${nodeName}`;
    recorder.event(subjectOf(pods, victim), 'Normal', 'Preempted', by);
  }

  private async patchStatus({ metadata }: Pod, status: object, signal: AbortSignal): Promise<void> {
    const ref = { namespace: metadata.namespace, name: metadata.name ?? '' };
    const patch = { metadata: { uid: metadata.uid }, status };
    await this.handle.client
      .of(pods)
      .patch(ref, patch, { type: 'strategic', subresource: 'status', signal })
      .catch(absent);
  }
}
