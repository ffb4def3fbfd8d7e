/**
 * One profile: the plugins that decide for the pods that name it as their scheduler, in order, at each extension point.
 */
import { errorText } from '../../../machinery/meta/error-text.ts';
import type { Plugin, PluginFactory } from './framework.ts';

/** A plugin's place in a profile; `weight` is that of its Score, default 1. */
export interface PluginRef {
  readonly name: string;
  readonly weight?: number | undefined;
}

/** Which plugins are added to, or taken from, one extension point; `*` in `disabled` takes all. */
export interface PointSpec {
  readonly enabled?: readonly PluginRef[] | undefined;
  readonly disabled?: readonly { readonly name: string }[] | undefined;
}

/** A profile as written down: `KubeSchedulerProfile` of `kubescheduler.config.k8s.io/v1`, with defaults filled in. */
export interface ProfileSpec {
  readonly schedulerName: string;
  /** 0 or left out: as many as upstream's rule finds enough. */
  readonly percentageOfNodesToScore?: number | undefined;
  /** Plugins at every extension point that they have something for, in this order. */
  readonly multiPoint: readonly PluginRef[];
  readonly points?: Readonly<Partial<Record<ExtensionPoint, PointSpec>>> | undefined;
  /** By plugin. */
  readonly args?: Readonly<Record<string, unknown>> | undefined;
}

/** What a plugin has for each extension point. */
const POINTS = {
  preEnqueue: ['preEnqueue'],
  queueSort: ['compare'],
  preFilter: ['preFilter'],
  filter: ['filter'],
  postFilter: ['postFilter'],
  preScore: ['preScore'],
  score: ['score'],
  reserve: ['reserve', 'unreserve'],
  permit: ['permit'],
  preBind: ['preBind'],
  bind: ['bind'],
  postBind: ['postBind'],
} as const satisfies Record<string, readonly (keyof Plugin)[]>;

export type ExtensionPoint = keyof typeof POINTS;

/** A plugin at an extension point. */
export interface Placed {
  readonly plugin: Plugin;
  readonly weight: number;
}

/** Plugins by extension point, in the order in which they are asked. */
export type PluginsByPoint = Readonly<Record<ExtensionPoint, readonly Placed[]>>;

/**
 * Makes the profile's plugins and puts them at their extension points, as upstream does: first those that a point names although `multiPoint` has
 * them too, then the rest of `multiPoint`, then what the point alone names.
 *
 * @param create makes the plugin of that name with its arguments; called once for each
 * @throws Error when a plugin is named that does not exist, or at a point for which it has nothing
 */
export function placePlugins(spec: ProfileSpec, create: (name: string, args: unknown) => Plugin): PluginsByPoint {
  const made = new Map<string, Plugin>();
  const make = (name: string): Plugin => {
    const plugin = made.get(name) ?? create(name, spec.args?.[name]);
    made.set(name, plugin);
    return plugin;
  };
  const at = (point: ExtensionPoint): readonly Placed[] => {
    const { enabled = [], disabled = [] } = spec.points?.[point] ?? {};
    const isDisabled = (name: string): boolean => disabled.some(each => each.name === name || each.name === '*');
    const isNamed = (name: string): boolean => enabled.some(each => each.name === name);
    const everywhere = new Set(spec.multiPoint.map(({ name }) => name));
    const general = spec.multiPoint.filter(
      ({ name }) => !isNamed(name) && !isDisabled(name) && hasPoint(make(name), point),
    );
    for (const { name } of enabled)
      if (!hasPoint(make(name), point)) throw new Error(`plugin ${name} has nothing for the extension point ${point}`);
    const ordered = [
      ...enabled.filter(({ name }) => everywhere.has(name)),
      ...general,
      ...enabled.filter(({ name }) => !everywhere.has(name)),
    ];
    return ordered.map(({ name, weight = 1 }) => ({ plugin: make(name), weight }));
  };
  const names = Object.keys(POINTS) as ExtensionPoint[];
  return Object.fromEntries(names.map(point => [point, at(point)])) as unknown as PluginsByPoint;
}

/** Makes plugins out of a registry. @throws Error when there is none of that name */
export function creatorOf(
  registry: ReadonlyMap<string, PluginFactory>,
  handle: Parameters<PluginFactory>[1],
): (name: string, args: unknown) => Plugin {
  return (name, args) => {
    const factory = registry.get(name);
    if (factory === undefined)
      throw new Error(`there is no scheduler plugin "${name}"; known: ${[...registry.keys()].sort().join(', ')}`);
    try {
      return factory(args, handle);
    } catch (error) {
      // Some plugins name themselves.
      const message = errorText(error);
      throw new Error(message.startsWith('plugin ') ? message : `plugin ${name}: ${message}`, { cause: error });
    }
  };
}

function hasPoint(plugin: Plugin, point: ExtensionPoint): boolean {
  return POINTS[point].some(member => plugin[member] !== undefined);
}
