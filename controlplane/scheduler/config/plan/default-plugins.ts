/**
 * The plugins of a profile that says nothing else, in the order in which they are asked, with the weights of their scores.
 * Source: `pkg/scheduler/apis/config/v1/default_plugins.go`, 1.36.
 */

/** A plugin of a profile. `weight` is that of its score; undefined: 1. */
export interface EnabledPlugin {
  readonly name: string;
  readonly weight?: number | undefined;
}

export const DEFAULT_PLUGINS: readonly EnabledPlugin[] = [
  { name: 'SchedulingGates' },
  { name: 'PrioritySort' },
  { name: 'NodeUnschedulable' },
  { name: 'NodeName' },
  { name: 'TaintToleration', weight: 3 },
  { name: 'NodeAffinity', weight: 2 },
  { name: 'NodePorts' },
  { name: 'NodeResourcesFit', weight: 1 },
  { name: 'VolumeRestrictions' },
  { name: 'NodeVolumeLimits' },
  { name: 'VolumeBinding' },
  { name: 'VolumeZone' },
  { name: 'PodTopologySpread', weight: 2 },
  { name: 'InterPodAffinity', weight: 2 },
  { name: 'DefaultPreemption' },
  { name: 'NodeResourcesBalancedAllocation', weight: 1 },
  { name: 'ImageLocality', weight: 1 },
  { name: 'DefaultBinder' },
];

/** Upstream's plugins that are not here: whoever disables them has what they want. By name: why. */
export const ABSENT_PLUGINS: ReadonlyMap<string, string> = new Map([
  ['DynamicResources', 'devices by ResourceClaim are not allocated here'],
  ['NodeDeclaredFeatures', 'nodes declare no features here'],
  ['GangScheduling', 'pods are scheduled one by one'],
  ['PodGroupPodsCount', 'pods are scheduled one by one'],
  ['TopologyPlacementGenerator', 'pods are scheduled one by one'],
  ['DeferredPodScheduling', 'pods are scheduled one by one'],
  ['AzureDiskLimits', 'NodeVolumeLimits counts the volumes of all drivers'],
  ['CinderLimits', 'NodeVolumeLimits counts the volumes of all drivers'],
  ['EBSLimits', 'NodeVolumeLimits counts the volumes of all drivers'],
  ['GCEPDLimits', 'NodeVolumeLimits counts the volumes of all drivers'],
  ['SelectorSpread', 'PodTopologySpread spreads by default'],
]);
