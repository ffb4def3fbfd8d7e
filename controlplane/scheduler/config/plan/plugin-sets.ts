/**
 * What the default plugins and those that a profile names make together.
 * Source: `mergePlugins` (pkg/scheduler/apis/config/v1/default_plugins.go), 1.36.
 */
import type { Plugins, PluginSet } from '../../../../proto/api/kube-scheduler-config-v1.ts';
import { DEFAULT_PLUGINS, type EnabledPlugin } from './default-plugins.ts';

/** In the order in which a pod passes them. */
export const EXTENSION_POINTS = [
  'preEnqueue',
  'queueSort',
  'preFilter',
  'filter',
  'postFilter',
  'preScore',
  'score',
  'reserve',
  'permit',
  'preBind',
  'bind',
  'postBind',
] as const satisfies readonly (keyof Plugins)[];

export interface MergedPlugins {
  /** Plugins at every extension point that they have something for, in this order. */
  readonly multiPoint: readonly EnabledPlugin[];
  readonly points: Readonly<Partial<Record<(typeof EXTENSION_POINTS)[number], PluginSet>>>;
}

/** A default that is named again keeps its place and gets the weight that is said of it there. */
export function mergeWithDefaults({ multiPoint = {}, ...points }: Plugins = {}): MergedPlugins {
  const { enabled = [], disabled = [] } = multiPoint;
  const isOff = (name: string): boolean => disabled.some(each => each.name === name || each.name === '*');
  const defaults = DEFAULT_PLUGINS.filter(({ name }) => !isOff(name));
  const kept = defaults.map(plugin => enabled.find(({ name }) => name === plugin.name) ?? plugin);
  const added = enabled.filter(({ name }) => !defaults.some(plugin => plugin.name === name));
  const said = Object.entries(points).filter(([, set]) => set !== undefined);
  return { multiPoint: [...kept, ...added], points: Object.fromEntries(said) as MergedPlugins['points'] };
}
