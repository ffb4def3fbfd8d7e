/** Every plugin that profiles may name. */
import { namespaces } from '../../../machinery/client/resource.ts';
import type { Plugin, PluginFactory, PluginRegistry } from '../framework/framework.ts';
import { defaultBinder } from './default-binder.ts';
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
  ['NodeAffinity', always(nodeAffinity)],
  ['NodePorts', always(nodePorts)],
  ['NodeResourcesFit', always(nodeResourcesFit)],
  ['VolumeRestrictions', (_args, { volumes }) => volumeRestrictions(volumes.sources)],
  ['NodeVolumeLimits', (_args, { volumes }) => nodeVolumeLimits(volumes.sources)],
  ['VolumeBinding', (_args, { volumes }) => volumeBinding(volumes.sources)],
  ['VolumeZone', (_args, { volumes }) => volumeZone(volumes.sources)],
  ['PodTopologySpread', always(podTopologySpread)],
  [
    'InterPodAffinity',
    (_args, { informers }) => {
      const { lister } = informers.informer(namespaces);
      return interPodAffinity(name => lister.get(undefined, name)?.metadata.labels);
    },
  ],
  ['NodeResourcesBalancedAllocation', always(nodeResourcesBalancedAllocation)],
  ['ImageLocality', always(imageLocality)],
  ['DefaultBinder', (_args, handle) => defaultBinder(handle)],
]);
