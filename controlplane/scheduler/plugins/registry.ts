/** Every plugin that profiles may name. */
import type { Plugin, PluginFactory, PluginRegistry } from '../framework/framework.ts';
import { defaultBinder } from './default-binder.ts';
import { defaultPreemption } from './default-preemption.ts';
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
import { prioritySort } from './priority-sort.ts';
import { schedulingGates } from './scheduling-gates.ts';
import { taintToleration } from './taint-toleration.ts';
import { volumeBinding } from './volume-binding.ts';
import { volumeRestrictions } from './volume-restrictions.ts';
import { volumeZone } from './volume-zone.ts';

const always =
  (plugin: Plugin): PluginFactory =>
  () =>
    plugin;

export const pluginRegistry: PluginRegistry = new Map<string, PluginFactory>([
  ['SchedulingGates', always(schedulingGates)],
  ['PrioritySort', always(prioritySort)],
  ['NodeUnschedulable', always(nodeUnschedulable)],
  ['NodeName', always(nodeName)],
  ['TaintToleration', always(taintToleration)],
  ['NodeAffinity', nodeAffinity],
  ['NodePorts', always(nodePorts)],
  ['NodeResourcesFit', nodeResourcesFit],
  ['VolumeRestrictions', (_args, { volumes }) => volumeRestrictions(volumes.sources)],
  ['NodeVolumeLimits', (_args, { volumes }) => nodeVolumeLimits(volumes.sources)],
  ['VolumeBinding', volumeBinding],
  ['VolumeZone', (_args, { volumes }) => volumeZone(volumes.sources)],
  ['PodTopologySpread', podTopologySpread],
  ['InterPodAffinity', interPodAffinity],
  ['NodeResourcesBalancedAllocation', nodeResourcesBalancedAllocation],
  ['ImageLocality', (_args, handle) => imageLocality(handle)],
  ['DefaultPreemption', (args, handle) => defaultPreemption(args, handle)],
  ['DefaultBinder', (_args, handle) => defaultBinder(handle)],
]);
