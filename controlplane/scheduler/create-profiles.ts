/** The profiles that a scheduler runs, with their plugins made. */
import { errorText } from '../../machinery/meta/error-text.ts';
import type { CycleState } from './framework/cycle-state.ts';
import type { Plugin, PluginRegistry } from './framework/framework.ts';
import type { Handle } from './framework/handle.ts';
import type { NodeInfo } from './framework/node-info.ts';
import { creatorOf, placePlugins, type PluginsByPoint, type ProfileSpec } from './framework/profile.ts';
import { addPod, removePod, runFilters } from './framework/run-filters.ts';
import type { Pod } from '../../proto/api/core-v1.ts';

/** A profile at work. */
export interface Profile {
  readonly schedulerName: string;
  readonly percentageOfNodesToScore: number;
  readonly plugins: PluginsByPoint;
}

/** What all profiles share. */
export type SharedHandle = Omit<Handle, 'schedulerName' | 'addPod' | 'removePod' | 'filtersAsked' | 'runFilters'>;

/**
 * @returns by scheduler name
 * @throws Error when a profile cannot be put together, or profiles queue pods in different orders: there is one queue
 */
export function createProfiles(
  specs: readonly ProfileSpec[],
  registry: PluginRegistry,
  shared: SharedHandle,
): ReadonlyMap<string, Profile> {
  const profiles = new Map(specs.map(spec => [spec.schedulerName, createProfile(spec, registry, shared)]));
  const sorts = new Set([...profiles.values()].map(queueSortOf));
  if (sorts.size !== 1) throw new Error(`profiles have different QueueSort plugins: ${[...sorts].sort().join(', ')}`);
  return profiles;
}

function createProfile(spec: ProfileSpec, registry: PluginRegistry, shared: SharedHandle): Profile {
  const { schedulerName, percentageOfNodesToScore = 0 } = spec;
  const { nominator } = shared;
  const handle: Handle = {
    ...shared,
    schedulerName,
    addPod: (state: CycleState, pod: Pod, other: Pod, node: NodeInfo) => addPod(plugins, state, pod, other, node),
    removePod: (state: CycleState, pod: Pod, other: Pod, node: NodeInfo) => removePod(plugins, state, pod, other, node),
    filtersAsked: (state: CycleState) =>
      plugins.filter.map(({ plugin }) => plugin.name).filter(name => !state.skipFilter.has(name)),
    runFilters: (state: CycleState, pod: Pod, node: NodeInfo) => runFilters({ plugins, pod, nominator }, state, node),
  };
  const plugins = inProfile(schedulerName, () => placePlugins(spec, creatorOf(registry, handle)));
  if (plugins.bind.length === 0)
    throw new Error(`profile ${schedulerName}: at least one Bind plugin is needed, or no pod ever gets its node`);
  return { schedulerName, percentageOfNodesToScore, plugins };
}

/** Whoever reads of a plugin that cannot be used wants to know where it is named. */
function inProfile<R>(schedulerName: string, put: () => R): R {
  try {
    return put();
  } catch (error) {
    throw new Error(`profile ${schedulerName}: ${errorText(error)}`, { cause: error });
  }
}

function queueSortOf({ schedulerName, plugins }: Profile): string {
  const [first, ...others] = plugins.queueSort;
  if (first === undefined || others.length > 0)
    throw new Error(`profile ${schedulerName} must have one QueueSort plugin, not ${plugins.queueSort.length}`);
  return first.plugin.name;
}

/** Every plugin of the profile, once. */
export function pluginsOfProfile({ plugins }: Profile): ReadonlySet<Plugin> {
  return new Set(Object.values(plugins).flatMap(placed => placed.map(({ plugin }) => plugin)));
}
