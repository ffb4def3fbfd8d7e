/** What decides when nothing is configured: upstream's default plugins, in upstream's order and with upstream's weights. */
import type { ProfileSpec } from '../framework/profile.ts';

export const DEFAULT_SCHEDULER_NAME = 'default-scheduler';

export const defaultProfile: ProfileSpec = {
  schedulerName: DEFAULT_SCHEDULER_NAME,
  multiPoint: [
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
    { name: 'NodeResourcesBalancedAllocation', weight: 1 },
    { name: 'ImageLocality', weight: 1 },
    { name: 'DefaultBinder' },
  ],
};
