/**
 * Sends a container the stop signal that its pod names, where the runtime does not know of such signals (containerd before 2.2): it
 * would send the image's own.
 */
import { sendSignal } from '../../host/processes.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { PodCache } from '../pleg/pod-cache.ts';
import { CRI_KEYS } from '../plan/cri-labels.ts';
import type { ContainerView } from '../plan/pod-view.ts';
import { signalToSend } from '../plan/stop-signal.ts';
import type { RuntimeService } from '../runtime/runtime-service.ts';

export interface StopSignalSenderOptions {
  readonly runtime: RuntimeService;
  readonly cache: PodCache;
  readonly clock: Clock;
}

export class StopSignalSender {
  private readonly options: StopSignalSenderOptions;

  constructor(options: StopSignalSenderOptions) {
    this.options = options;
  }

  /**
   * Signals, and waits until the container has ended, for at most `seconds`.
   * @returns whether this did what the runtime cannot: if not, the runtime is to do it
   * @throws RuntimeError, or the signal's reason
   */
  async stop(view: ContainerView, seconds: number, signal: AbortSignal): Promise<boolean> {
    const wanted = view.annotations[CRI_KEYS.stopSignal];
    if (wanted === undefined || view.stopSignal !== undefined || view.state !== 'running') return false;
    const pid = await this.options.runtime.containerPid(view.id, { signal });
    if (pid === undefined) return false;
    const ended = new AbortController();
    const stopListening = this.options.cache.onChange(() => {
      if (this.options.cache.container(view.id)?.state !== 'running') ended.abort();
    });
    try {
      if (!sendSignal(pid, signalToSend(wanted) as NodeJS.Signals | number)) return true;
      await this.options.clock.sleep(seconds * 1000, AbortSignal.any([signal, ended.signal]));
    } catch (error) {
      if (!ended.signal.aborted) throw error;
    } finally {
      stopListening();
    }
    return true;
  }
}
