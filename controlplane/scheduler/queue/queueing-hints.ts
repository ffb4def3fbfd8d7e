/**
 * Which changes of the cluster may make which waiting pods fit: what the plugins of all profiles registered for, by the plugin that turned a pod
 * down. Source: kubernetes KEP-4247 (QueueingHint).
 */
import type { Logger } from '../../../machinery/process/logger.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { ActionType, ClusterEvent, EventResource } from '../framework/cluster-event.ts';
import type { Plugin } from '../framework/framework.ts';
import type { ClusterChange } from './cluster-change.ts';

/** Turns a pod down that finds no node at all. */
export const NO_NODES = 'NoNodes';

const UPDATES: readonly ActionType[] = [
  'Update',
  'UpdateNodeAllocatable',
  'UpdateNodeLabel',
  'UpdateNodeTaint',
  'UpdateNodeCondition',
  'UpdateNodeAnnotation',
  'UpdatePodLabel',
  'UpdatePodScaleDown',
  'UpdatePodToleration',
  'UpdatePodSchedulingGatesEliminated',
];

/** Actions that others stand for. */
const STANDS_FOR: ReadonlyMap<ActionType, readonly ActionType[]> = new Map<ActionType, readonly ActionType[]>([
  ['Add', ['Add', 'AssignedPodAdd']],
  ['Delete', ['Delete', 'AssignedPodDelete']],
  ['Update', UPDATES],
]);

interface Registration {
  readonly actions: ReadonlySet<ActionType>;
  readonly event: ClusterEvent;
}

/** One profile's plugins, as far as they may turn pods down. */
export interface HintedProfile {
  readonly schedulerName: string;
  readonly plugins: Iterable<Plugin>;
}

export class QueueingHints {
  private readonly logger: Logger;
  /** By profile and plugin. A plugin that is missing registered nothing: every change counts for it. */
  private readonly registrations = new Map<string, readonly Registration[]>();
  /** Profile and plugin by kind: who asks for any of its changes. */
  private readonly byResource = new Map<EventResource, Set<string>>();

  constructor(profiles: readonly HintedProfile[], logger: Logger) {
    this.logger = logger;
    for (const { schedulerName, plugins } of profiles) {
      this.register(keyOf(schedulerName, NO_NODES), [{ resource: 'Node', actions: ['Add'] }]);
      for (const plugin of plugins) {
        const events = plugin.eventsToRegister?.();
        if (events !== undefined) this.register(keyOf(schedulerName, plugin.name), events);
      }
    }
  }

  /** Kinds that anybody waits for. */
  get resources(): ReadonlySet<EventResource> {
    return new Set(this.byResource.keys());
  }

  /** How the queue names a plugin that turned a pod down. */
  keysOf(schedulerName: string, plugins: Iterable<string>): string[] {
    return Array.from(plugins, name => keyOf(schedulerName, name));
  }

  /** Whether pods that this plugin turned down may care at all. */
  concerns(key: string, { resource }: ClusterChange): boolean {
    return !this.registrations.has(key) || this.byResource.get(resource)?.has(key) === true;
  }

  /** Whether the change may make the pod fit, which these turned down. */
  mayHelp(rejectedBy: readonly string[], pod: Pod, change: ClusterChange): boolean {
    for (const key of rejectedBy) {
      const known = this.registrations.get(key);
      if (known === undefined) return true;
      for (const { actions, event } of known) {
        if (event.resource !== change.resource || !change.actions.some(action => actions.has(action))) continue;
        // What is no word of ours counts, rather than let a pod wait.
        if (this.hint(event, key, pod, change) !== 'skip') return true;
      }
    }
    return false;
  }

  private hint({ hint }: ClusterEvent, key: string, pod: Pod, { older, newer }: ClusterChange): 'queue' | 'skip' {
    try {
      return hint?.(pod, older, newer) ?? 'queue';
    } catch (error) {
      this.logger.error({ plugin: key, pod: pod.metadata.name, err: error }, 'queueing hint failed; the pod is tried');
      return 'queue';
    }
  }

  private register(key: string, events: readonly ClusterEvent[]): void {
    this.registrations.set(
      key,
      events.map(event => ({
        actions: new Set(event.actions.flatMap(action => STANDS_FOR.get(action) ?? [action])),
        event,
      })),
    );
    for (const { resource } of events) {
      const keys = this.byResource.get(resource) ?? new Set<string>();
      this.byResource.set(resource, keys.add(key));
    }
  }
}

function keyOf(schedulerName: string, plugin: string): string {
  return `${schedulerName}/${plugin}`;
}
