/**
 * The pods of all made-up nodes: each is started, ended and removed by the step that its newest state asks for, after a delay.
 *
 * - Of a pod that runs nothing is kept but its uid and its step; of one that waits, what the step needs.
 * - A write is tried again until the server answers; what somebody else changed meanwhile comes back by the watch.
 */
import type { Pod } from '../../proto/api/core-v1.ts';
import type { Client } from '../../machinery/client/client.ts';
import type { ReflectorTarget } from '../../machinery/client/reflector.ts';
import { pods } from '../../machinery/client/resource.ts';
import { hasReason } from '../../machinery/meta/status-error-from.ts';
import type { Clock } from '../../machinery/process/clock.ts';
import { endedStatus, nextStep, runningStatus, type PodStep } from './plan/pod-step.ts';
import type { Writes } from './writes.ts';

export interface PretendPodsOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly writes: Writes;
  /** The address of a node of ours; undefined for others. */
  addressOf(nodeName: string): string | undefined;
  readonly startDelayMs: number;
  readonly stopDelayMs: number;
}

interface Tracked {
  step: PodStep['kind'];
  /** The newest state, while a step waits. */
  pod: Pod | undefined;
  /** What it is told to have; the same however often that has to be told. */
  podIP?: string;
}

export interface PodCounts {
  /** Now. */
  readonly pods: number;
  readonly waiting: number;
  /** Since the start. */
  readonly started: number;
  readonly ended: number;
  readonly removed: number;
}

export class PretendPods implements ReflectorTarget<Pod> {
  private readonly options: PretendPodsOptions;
  private readonly tracked = new Map<string, Tracked>();
  private nextAddress = 1;
  private started = 0;
  private ended = 0;
  private removed = 0;

  constructor(options: PretendPodsOptions) {
    this.options = options;
  }

  counts(): PodCounts {
    const { started, ended, removed } = this;
    let waiting = 0;
    for (const { pod } of this.tracked.values()) if (pod !== undefined) waiting++;
    return { pods: this.tracked.size, waiting, started, ended, removed };
  }

  replace(items: readonly Pod[]): void {
    const there = new Set(items.map(pod => pod.metadata.uid ?? ''));
    for (const uid of this.tracked.keys()) if (!there.has(uid)) this.tracked.delete(uid);
    for (const pod of items) this.put(pod);
  }

  put(pod: Pod): void {
    const { uid = '' } = pod.metadata;
    if (this.options.addressOf(pod.spec.nodeName ?? '') === undefined) return;
    const step = nextStep(pod);
    const known = this.tracked.get(uid);
    if (known?.step === step.kind) {
      if (known.pod !== undefined) known.pod = pod;
      return;
    }
    const tracked: Tracked = { step: step.kind, pod: step.kind === 'none' ? undefined : pod };
    this.tracked.set(uid, tracked);
    if (step.kind === 'none') return;
    setTimeout(() => this.begin(uid, tracked), this.delayMs(step));
  }

  remove(pod: Pod): void {
    this.tracked.delete(pod.metadata.uid ?? '');
  }

  private delayMs(step: PodStep): number {
    const { startDelayMs, stopDelayMs, clock } = this.options;
    if (step.kind === 'end') return Math.max(0, step.atMs - clock.now());
    return step.kind === 'stop' ? stopDelayMs : startDelayMs;
  }

  private begin(uid: string, tracked: Tracked): void {
    // It went, or something else is to be done meanwhile.
    if (this.tracked.get(uid) !== tracked) return;
    this.options.writes.add(async signal => {
      const { pod } = tracked;
      if (pod === undefined || this.tracked.get(uid) !== tracked) return;
      try {
        await this.carryOut(tracked, pod, signal);
      } catch (error) {
        if (!hasReason(error, 'NotFound', 'Conflict')) throw error;
      }
      tracked.pod = undefined;
    });
  }

  private async carryOut(tracked: Tracked, pod: Pod, signal: AbortSignal): Promise<void> {
    const { client, clock, addressOf } = this.options;
    const { namespace, name = '', uid, finalizers = [] } = pod.metadata;
    const tell = (status: Pod['status']): Promise<unknown> => {
      const patch = { metadata: { uid }, status };
      return client.of(pods).patch({ namespace, name }, patch, { type: 'strategic', subresource: 'status', signal });
    };
    switch (tracked.step) {
      case 'start':
        tracked.podIP ??= pod.status?.podIP ?? this.address();
        await tell(runningStatus(pod, tracked.podIP, addressOf(pod.spec.nodeName ?? '') ?? '', clock.now()));
        this.started++;
        return;
      case 'end':
        await tell(endedStatus(pod, false, clock.now()));
        this.ended++;
        return;
      case 'stop': {
        // Whoever holds it by a finalizer waits for its end.
        const isOver = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
        if (finalizers.length > 0 && !isOver) await tell(endedStatus(pod, true, clock.now()));
        await client.of(pods).delete({ namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid }, signal });
        this.removed++;
        return;
      }
      case 'none':
        return;
    }
  }

  /** Of 10.128.0.0/9, one after the other. */
  private address(): string {
    const n = this.nextAddress++ & 0x7fffff;
    return `10.${128 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`;
  }
}
