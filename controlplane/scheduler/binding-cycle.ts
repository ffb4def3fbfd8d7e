/**
 * Brings a pod to the node that was decided for it, beside the next decisions: waits for permission, PreBind, Bind, PostBind.
 *
 * - The pod counts on its node until it is certain that it is not there: when the answer to a binding got lost, the API is asked, for as long as it
 *   takes. The API binds a pod once at most, so a binding that is sent again after a crash is refused and harmless.
 * - Whatever fails, reservations are given back before the pod is queued again.
 */
import type { Client } from '../../machinery/client/client.ts';
import { pods } from '../../machinery/client/resource.ts';
import { isNotFound } from '../../machinery/meta/status-error-from.ts';
import { StatusError } from '../../machinery/meta/status-error.ts';
import type { Clock } from '../../machinery/process/clock.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import type { Extender } from './framework/extender.ts';
import type { Placement } from './framework/run-reserve.ts';
import type { PermitVerdict, WaitingPods } from './framework/waiting-pods.ts';

export interface BindingCycleOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly waitingPods: WaitingPods;
  readonly extenders: readonly Extender[];
}

/** How it ended. `lost`: the pod is gone, or somebody else bound it, to `nodeName` if it is known. */
export type BindingOutcome =
  { readonly kind: 'bound' } | { readonly kind: 'lost' } | { readonly kind: 'failed'; readonly error: unknown };

/** As certain as it gets: what the API answered with one of these did not happen. Conflict: there is a binding already, ours or another's. */
const REFUSALS = new Set(['BadRequest', 'Unauthorized', 'Forbidden', 'Invalid', 'MethodNotAllowed', 'TooManyRequests']);
const FIRST_LOOK_MS = 500;
const LONGEST_LOOK_MS = 10_000;

export class BindingCycle {
  private readonly options: BindingCycleOptions;
  private inBind = 0;
  private onEnd: (() => void) | undefined;

  constructor(options: BindingCycleOptions) {
    this.options = options;
  }

  /** How many pods are being bound now: those left out that wait for permission or for PreBind, which may take minutes. */
  get binding(): number {
    return this.inBind;
  }

  /** Resolves as soon as fewer than so many are being bound, or the signal aborts. For one who waits. */
  async fewerThan(most: number, signal: AbortSignal): Promise<void> {
    while (this.inBind >= most && !signal.aborted) {
      await new Promise<void>(resolve => {
        const done = (): void => {
          signal.removeEventListener('abort', done);
          this.onEnd = undefined;
          resolve();
        };
        this.onEnd = done;
        signal.addEventListener('abort', done, { once: true });
      });
    }
  }

  /** Resolves when every plugin has allowed it, or one has not. @param waits not empty; in milliseconds, by plugin */
  async permission(
    { pod, nodeName }: Placement,
    waits: ReadonlyMap<string, number>,
    signal: AbortSignal,
  ): Promise<PermitVerdict> {
    const { waitingPods } = this.options;
    const give = (): void => void waitingPods.reject(pod.metadata.uid ?? '', '', 'the scheduler stops');
    signal.addEventListener('abort', give, { once: true });
    try {
      return await waitingPods.wait(pod, nodeName, waits);
    } finally {
      signal.removeEventListener('abort', give);
    }
  }

  /** PreBind and Bind. Never throws. */
  async bind(placement: Placement, signal: AbortSignal): Promise<BindingOutcome> {
    const { plugins, state, pod, nodeName, timing } = placement;
    const beganMs = performance.now();
    const preBound = (status: string): void => {
      if (plugins.preBind.length > 0) timing?.point('PreBind', status, (performance.now() - beganMs) / 1000);
    };
    try {
      for (const { plugin } of plugins.preBind) await plugin.preBind?.(state, pod, nodeName, signal);
      preBound('Success');
    } catch (error) {
      preBound('Error');
      return { kind: 'failed', error };
    }
    const bindBeganMs = performance.now();
    const binder = this.options.extenders.find(extender => extender.canBind && extender.isInterested(pod));
    // An extender bounds its calls itself: who waits for it keeps nobody else from being bound.
    const counts = binder === undefined ? 1 : 0;
    this.inBind += counts;
    try {
      await this.runBind(placement, binder, signal);
      timing?.point('Bind', 'Success', (performance.now() - bindBeganMs) / 1000);
      return { kind: 'bound' };
    } catch (error) {
      timing?.point('Bind', 'Error', (performance.now() - bindBeganMs) / 1000);
      if (signal.aborted || (error instanceof StatusError && REFUSALS.has(error.reason)))
        return { kind: 'failed', error };
      return await this.look(placement, error, signal);
    } finally {
      this.inBind -= counts;
      this.onEnd?.();
    }
  }

  /** PostBind; what it throws is logged. */
  async afterwards({ plugins, state, pod, nodeName }: Placement, signal: AbortSignal): Promise<void> {
    for (const { plugin } of plugins.postBind) {
      try {
        await plugin.postBind?.(state, pod, nodeName, signal);
      } catch (error) {
        if (signal.aborted) return;
        this.options.logger.error({ plugin: plugin.name, pod: pod.metadata.name, err: error }, 'PostBind failed');
      }
    }
  }

  private async runBind(
    { plugins, state, pod, nodeName }: Placement,
    binder: Extender | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    if (binder !== undefined) return binder.bind(pod, nodeName, signal);
    for (const { plugin } of plugins.bind) if ((await plugin.bind?.(state, pod, nodeName, signal)) === 'bound') return;
    throw new Error(`no Bind plugin of the profile takes pod ${pod.metadata.namespace}/${pod.metadata.name}`);
  }

  /** The binding may have come through, or not: what does the API say? */
  private async look({ pod, nodeName }: Placement, error: unknown, signal: AbortSignal): Promise<BindingOutcome> {
    const { client, clock, logger } = this.options;
    const { namespace, name = '', uid } = pod.metadata;
    for (let waitMs = FIRST_LOOK_MS; ; waitMs = Math.min(2 * waitMs, LONGEST_LOOK_MS)) {
      try {
        const current = await client.of(pods).get({ namespace, name }, signal);
        if (current.metadata.uid !== uid) return { kind: 'lost' };
        const bound = current.spec.nodeName ?? '';
        if (bound === '') return { kind: 'failed', error };
        return { kind: bound === nodeName ? 'bound' : 'lost' };
      } catch (failure) {
        if (isNotFound(failure)) return { kind: 'lost' };
        if (signal.aborted) return { kind: 'failed', error };
        logger.debug({ pod: name, node: nodeName, err: failure }, 'whether the pod was bound is not known yet');
        await clock.sleep(waitMs, signal).catch(() => undefined);
      }
    }
  }
}
