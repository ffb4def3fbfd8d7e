/** Filter for one node: with the pods for which room was made there, and without them, since they may never come. */
import type { Pod } from '../../../proto/api/core-v1.ts';
import { priorityOf } from '../../../machinery/meta/pod-priority.ts';
import type { CycleState } from './cycle-state.ts';
import type { Plugin, Rejection } from './framework.ts';
import type { NodeInfo } from './node-info.ts';
import type { Nominator } from './nominator.ts';
import type { PluginsByPoint } from './profile.ts';
import type { Timing } from './timing.ts';

export interface FilterRun {
  readonly plugins: PluginsByPoint;
  readonly pod: Pod;
  readonly nominator: Nominator;
  /** The plugins to ask, for many nodes found once; see `filtersOf`. */
  readonly filters?: readonly Plugin[] | undefined;
  /** Gets the plugin that turns the node down. */
  readonly guilty?: Set<string> | undefined;
  readonly timing?: Timing | undefined;
}

/** Those whose PreFilter did not say that there is nothing to ask. */
export function filtersOf({ filter }: PluginsByPoint, { skipFilter }: CycleState): readonly Plugin[] {
  return filter.map(({ plugin }) => plugin).filter(({ name }) => !skipFilter.has(name));
}

/** Why the pod cannot run on the node; undefined when it can. */
export function runFilters(run: FilterRun, state: CycleState, node: NodeInfo): readonly Rejection[] | undefined {
  if (!run.nominator.isEmpty) {
    const rejections = withNominated(run, state, node);
    if (rejections !== undefined) return rejections;
  }
  return firstRejections(run, state, node);
}

function withNominated(run: FilterRun, state: CycleState, node: NodeInfo): readonly Rejection[] | undefined {
  const nominated = run.nominator.on(node.name);
  if (nominated.size === 0) return undefined;
  const { pod, plugins } = run;
  const waiting = [...nominated.values()].filter(
    other => other.metadata.uid !== pod.metadata.uid && priorityOf(other) >= priorityOf(pod),
  );
  if (waiting.length === 0) return undefined;
  const trial = state.clone();
  const full = node.clone();
  for (const other of waiting) {
    full.addPod(other);
    addPod(plugins, trial, pod, other, full);
  }
  return firstRejections(run, trial, full);
}

/** The reasons of the first plugin that turns the node down, as upstream counts them. */
function firstRejections(run: FilterRun, state: CycleState, node: NodeInfo): readonly Rejection[] | undefined {
  const { pod, timing, filters = filtersOf(run.plugins, state) } = run;
  for (const plugin of filters) {
    const reasons =
      timing?.plugin === undefined
        ? plugin.filter?.(state, pod, node)
        : timedFilter(plugin, timing.plugin, () => plugin.filter?.(state, pod, node));
    if (reasons === undefined || reasons.length === 0) continue;
    run.guilty?.add(plugin.name);
    return reasons;
  }
  return undefined;
}

type FilterAnswer = readonly Rejection[] | undefined;

function timedFilter(plugin: Plugin, tell: NonNullable<Timing['plugin']>, filter: () => FilterAnswer): FilterAnswer {
  const beganMs = performance.now();
  const reasons = filter();
  const status = (reasons?.length ?? 0) === 0 ? 'Success' : 'Unschedulable';
  tell(plugin.name, 'Filter', status, (performance.now() - beganMs) / 1000);
  return reasons;
}

/** PreFilter's extensions: the state as if `other` ran on the node, which holds it already. */
export function addPod(plugins: PluginsByPoint, state: CycleState, pod: Pod, other: Pod, node: NodeInfo): void {
  for (const { plugin } of plugins.preFilter)
    if (!state.skipFilter.has(plugin.name)) plugin.addPod?.(state, pod, other, node);
}

/** As `addPod`, as if `other` were gone. */
export function removePod(plugins: PluginsByPoint, state: CycleState, pod: Pod, other: Pod, node: NodeInfo): void {
  for (const { plugin } of plugins.preFilter)
    if (!state.skipFilter.has(plugin.name)) plugin.removePod?.(state, pod, other, node);
}
