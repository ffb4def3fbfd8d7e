/** The plugins of the default profile, in the order in which their Filter runs (upstream's order). */
import type { Plugin } from '../framework/framework.ts';
import { imageLocality } from './image-locality.ts';
import { interPodAffinity } from './inter-pod-affinity.ts';
import { nodeAffinity } from './node-affinity.ts';
import { nodeName } from './node-name.ts';
import { nodePorts } from './node-ports.ts';
import { nodeResourcesBalancedAllocation } from './node-resources-balanced-allocation.ts';
import { nodeResourcesFit } from './node-resources-fit.ts';
import { nodeUnschedulable } from './node-unschedulable.ts';
import { nodeVolumeLimits } from './node-volume-limits.ts';
import { podTopologySpread } from './pod-topology-spread.ts';
import { taintToleration } from './taint-toleration.ts';
import type { VolumeSources } from '../plan/volumes.ts';
import { volumeBinding } from './volume-binding.ts';
import { volumeRestrictions } from './volume-restrictions.ts';
import { volumeZone } from './volume-zone.ts';

/** What plugins must look up beside nodes and pods. */
export interface PluginSources {
  namespaceLabels(namespace: string): Readonly<Record<string, string>> | undefined;
  volumes: VolumeSources;
}

export function defaultPlugins(sources: PluginSources): Plugin[] {
  return [
    nodeUnschedulable,
    nodeName,
    taintToleration,
    nodeAffinity,
    nodePorts,
    nodeResourcesFit,
    volumeRestrictions(sources.volumes),
    nodeVolumeLimits(sources.volumes),
    volumeBinding(sources.volumes),
    volumeZone(sources.volumes),
    podTopologySpread,
    interPodAffinity(sources.namespaceLabels),
    nodeResourcesBalancedAllocation,
    imageLocality,
  ];
}
