/**
 * Which plugins of a profile are asked at which extension point: the defaults, what the profile enables and disables, and what `multiPoint` stands
 * for. Source: `mergePlugins` (pkg/scheduler/apis/config/v1/default_plugins.go) and `expandMultiPointPlugins`
 * (pkg/scheduler/framework/runtime/framework.go), 1.36.
 */
import type { PluginSet, Plugins } from '../../../../proto/api/kube-scheduler-config-v1.ts';
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
] as const;

export type ExtensionPoint = (typeof EXTENSION_POINTS)[number];

/** The plugins of each extension point, in the order in which they are asked. */
export type PluginsByPoint = Readonly<Record<ExtensionPoint, readonly EnabledPlugin[]>>;

/** What the default plugins and a profile's make together; a set says what it enables, beside what `multiPoint` does. */
export type MergedPlugins = Readonly<Record<ExtensionPoint | 'multiPoint', MergedSet>>;

interface MergedSet {
  readonly enabled: readonly EnabledPlugin[];
  readonly disabled: ReadonlySet<string>;
}

/** The profile cannot be put together. */
export class ProfileError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ProfileError';
  }
}

export function mergeWithDefaults(plugins: Plugins = {}): MergedPlugins {
  const points = EXTENSION_POINTS.map(point => [point, merge([], plugins[point])] as const);
  const merged = Object.fromEntries(points) as Record<ExtensionPoint, MergedSet>;
  return { ...merged, multiPoint: merge(DEFAULT_PLUGINS, plugins.multiPoint) };
}

/** A default that is named again keeps its place and gets what is said of it there. */
function merge(defaults: readonly EnabledPlugin[], { enabled = [], disabled = [] }: PluginSet = {}): MergedSet {
  const off = new Set(disabled.map(({ name }) => name));
  const again = new Map(enabled.map(plugin => [plugin.name, plugin]));
  const kept = off.has('*') ? [] : defaults.filter(({ name }) => !off.has(name));
  const names = new Set(kept.map(({ name }) => name));
  const added = enabled.filter(plugin => !names.has(plugin.name) || again.get(plugin.name) !== plugin);
  return { enabled: [...kept.map(plugin => again.get(plugin.name) ?? plugin), ...added], disabled: off };
}

/** Every plugin that is enabled anywhere: they are all made. */
export function pluginNames(plugins: MergedPlugins): Set<string> {
  return new Set(Object.values(plugins).flatMap(set => set.enabled.map(({ name }) => name)));
}

/**
 * @param pointsOf the extension points that each plugin has; a plugin that is missing does not exist
 * @throws ProfileError
 */
export function expandPlugins(
  plugins: MergedPlugins,
  pointsOf: ReadonlyMap<string, ReadonlySet<ExtensionPoint>>,
): PluginsByPoint {
  for (const { name } of plugins.multiPoint.enabled)
    if (!pointsOf.has(name)) throw new ProfileError(`MultiPointPlugin "${name}" does not exist`);
  const points = EXTENSION_POINTS.map(point => {
    checkNamed(point, plugins[point], pointsOf);
    return [point, expandPoint(point, plugins, pointsOf)] as const;
  });
  return Object.fromEntries(points) as Record<ExtensionPoint, readonly EnabledPlugin[]>;
}

function checkNamed(
  point: ExtensionPoint,
  { enabled }: MergedSet,
  pointsOf: ReadonlyMap<string, ReadonlySet<ExtensionPoint>>,
): void {
  const type = pluginType(point);
  const seen = new Set<string>();
  for (const { name } of enabled) {
    const points = pointsOf.get(name);
    if (points === undefined) throw new ProfileError(`${type} "${name}" does not exist`);
    if (!points.has(point)) throw new ProfileError(`plugin "${name}" does not extend ${type} plugin`);
    if (seen.has(name)) throw new ProfileError(`plugin "${name}" already registered as "${type}"`);
    seen.add(name);
  }
}

/** First those of `multiPoint` that are named for the point too, then the others of `multiPoint`, then those that are named for the point alone. */
function expandPoint(
  point: ExtensionPoint,
  plugins: MergedPlugins,
  pointsOf: ReadonlyMap<string, ReadonlySet<ExtensionPoint>>,
): readonly EnabledPlugin[] {
  const { enabled: named, disabled } = plugins[point];
  if (disabled.has('*')) return named;
  const candidates = plugins.multiPoint.enabled.filter(
    ({ name }) => pointsOf.get(name)?.has(point) === true && !disabled.has(name),
  );
  const twice = candidates.find(({ name }, i) => candidates.findIndex(other => other.name === name) !== i);
  if (twice !== undefined)
    throw new ProfileError(`plugin "${twice.name}" already registered as "${pluginType(point)}"`);
  const isNamed = new Set(named.map(({ name }) => name));
  const isCandidate = new Set(candidates.map(({ name }) => name));
  return [
    ...named.filter(({ name }) => isCandidate.has(name)),
    ...candidates.filter(({ name }) => !isNamed.has(name)),
    ...named.filter(({ name }) => !isCandidate.has(name)),
  ];
}

/** As upstream calls plugins of the point: `PreFilterPlugin`. */
function pluginType(point: ExtensionPoint): string {
  return `${point[0]?.toUpperCase()}${point.slice(1)}Plugin`;
}
