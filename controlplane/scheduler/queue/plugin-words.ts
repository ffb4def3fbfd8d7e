/**
 * What plugins say of pods in the queue. Events and timers ask for it: whatever a plugin does, no pod is lost, and others keep their turn.
 */
import type { Logger } from '../../../machinery/process/logger.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { Plugin, QueuedPod } from '../framework/framework.ts';
import type { Placed } from '../framework/profile.ts';
import { prioritySort } from '../plugins/priority-sort.ts';

type Compare = NonNullable<Plugin['compare']>;

/** The order of QueueSort; that of PrioritySort where it fails, which is told once. */
export function orderOf(sort: Plugin | undefined, logger: Logger): Compare {
  let isTold = false;
  const byPriority = (a: QueuedPod, b: QueuedPod): number => prioritySort.compare?.(a, b) ?? 0;
  return (a, b) => {
    try {
      return sort?.compare?.(a, b) ?? 0;
    } catch (error) {
      if (!isTold) logger.error({ plugin: sort?.name, err: error }, 'QueueSort failed; pods are ordered by priority');
      isTold = true;
      return byPriority(a, b);
    }
  };
}

/** The first PreEnqueue plugin that keeps the pod out; one that fails does, as upstream. */
export function gateOf(plugins: readonly Placed[], pod: Pod, logger: Logger): string | undefined {
  for (const { plugin } of plugins) {
    try {
      if (plugin.preEnqueue?.(pod) !== undefined) return plugin.name;
    } catch (error) {
      logger.error({ plugin: plugin.name, pod: pod.metadata.name, err: error }, 'PreEnqueue failed; the pod waits');
      return plugin.name;
    }
  }
  return undefined;
}
