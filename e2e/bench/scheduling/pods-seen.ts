/** Follows pods and keeps when a watcher saw each created, bound and ready. */
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { InformerScope } from '../../../machinery/client/informer.ts';
import type { RestClient } from '../../../machinery/client/rest-client.ts';
import { Reflector } from '../../../machinery/client/reflector.ts';
import { pods } from '../../../machinery/client/resource.ts';
import { systemClock } from '../../../machinery/process/clock.ts';
import { silentLogger } from '../../../machinery/process/logger.ts';

export class PodsSeen {
  /** By name, as `performance.now()` tells them. */
  readonly createdMs = new Map<string, number>();
  readonly boundMs = new Map<string, number>();
  readonly readyMs = new Map<string, number>();
  private readonly stop = new AbortController();

  /** Resolves once what is there has been listed: that is seen from now on. */
  static async follow(client: RestClient, scope: InformerScope): Promise<PodsSeen> {
    const seen = new PodsSeen();
    const { signal } = seen.stop;
    setMaxListeners(0, signal);
    await new Promise<void>(resolve => {
      const reflector = new Reflector<Pod>({
        name: 'pods',
        client: client.of(pods),
        scope,
        keep: pod => pod,
        target: {
          replace: items => {
            for (const pod of items) seen.note(pod);
            resolve();
          },
          put: pod => seen.note(pod),
          remove: () => undefined,
        },
        clock: systemClock,
        logger: silentLogger,
      });
      void reflector.run(signal);
    });
    return seen;
  }

  /** @throws Error when it takes longer than `timeoutMs` */
  async until(what: string, done: () => boolean, timeoutMs: number): Promise<void> {
    for (const endMs = performance.now() + timeoutMs; !done(); await sleep(5)) {
      if (performance.now() < endMs) continue;
      const counts = `${this.createdMs.size} created, ${this.boundMs.size} bound, ${this.readyMs.size} ready`;
      throw new Error(`${what}: not within ${timeoutMs / 1000} s (${counts})`);
    }
  }

  close(): void {
    this.stop.abort();
  }

  private note({ metadata: { name = '' }, spec, status }: Pod): void {
    const nowMs = performance.now();
    once(this.createdMs, name, nowMs);
    if ((spec.nodeName ?? '') !== '') once(this.boundMs, name, nowMs);
    if (status?.conditions?.some(c => c.type === 'Ready' && c.status === 'True') === true)
      once(this.readyMs, name, nowMs);
  }
}

/** The last of some times. */
export function lastOf(times: Iterable<number>): number {
  let last = -Infinity;
  for (const time of times) last = Math.max(last, time);
  return last;
}

function once(times: Map<string, number>, name: string, ms: number): void {
  if (!times.has(name)) times.set(name, ms);
}
