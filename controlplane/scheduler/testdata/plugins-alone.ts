/** Plugins without a scheduler around them, for tests of what they decide. */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { Plugin } from '../framework/framework.ts';
import type { Handle } from '../framework/handle.ts';
import { Nominator } from '../framework/nominator.ts';
import { decide, type SchedulingDecision } from '../framework/run-plugins.ts';
import { snapshotOf, type Snapshot } from '../framework/snapshot.ts';
import { creatorOf, placePlugins, type PluginsByPoint, type ProfileSpec } from '../framework/profile.ts';
import type { VolumeSources } from '../plan/volumes.ts';
import { defaultProfile } from '../plugins/default-profile.ts';
import { pluginRegistry } from '../plugins/registry.ts';

const nothing = (): undefined => undefined;

/** A cluster without claims, volumes and CSI drivers. */
export const noVolumes: VolumeSources = {
  claim: nothing,
  volume: nothing,
  volumesFor: () => [],
  storageClass: nothing,
  csiNode: nothing,
  csiDriver: nothing,
  storageCapacities: () => [],
  attachments: () => [],
};

/** These and no others, each at every extension point that it has something for. */
export function placed(...plugins: readonly Plugin[]): PluginsByPoint {
  const multiPoint = plugins.map(({ name }) => ({ name }));
  const find = (name: string): Plugin => plugins.find(plugin => plugin.name === name) as Plugin;
  return placePlugins({ schedulerName: 'alone', multiPoint }, find);
}

/** What plugins look up is empty, but for the labels that every namespace has. */
export function handleAlone(namespaceLabels: Record<string, string> = {}, volumes = noVolumes): Handle {
  const namespace = { metadata: { labels: namespaceLabels } };
  const lister = { get: () => namespace, list: () => [namespace], byIndex: () => [] };
  const informer = { lister, addIndex: nothing };
  return {
    informers: { informer: () => informer },
    volumes: { sources: volumes },
    snapshot: () => snapshotOf([]),
  } as unknown as Handle;
}

/** The plugins of a profile, the default one if none is given. */
export function pluginsOf(handle = handleAlone(), spec: ProfileSpec = defaultProfile): PluginsByPoint {
  return placePlugins(spec, creatorOf(pluginRegistry, handle));
}

/** As `decide`, for all nodes and without anything that a scheduler adds. */
export function decideNode(
  plugins: PluginsByPoint,
  pod: Pod,
  snapshot: Snapshot,
  tieBreaker: (candidates: number) => number,
  nominator = new Nominator(),
): SchedulingDecision {
  return decide({ plugins, pod, snapshot, tieBreaker, nominator });
}
