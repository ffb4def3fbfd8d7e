/** What a service's author wishes of hints: which of its clients an endpoint is for. Pure. */
import type { Service } from '../../../../proto/api/core-v1.ts';

const TOPOLOGY_MODE = 'service.kubernetes.io/topology-mode';
/** Counts more, as it is older. */
const TOPOLOGY_HINTS = 'service.kubernetes.io/topology-aware-hints';

/** `zone` and `node`: each endpoint for those near it; `auto`: shared out over zones by their processors; `none`: for everybody. */
export type HintMode = 'none' | 'zone' | 'node' | 'auto';

/** The annotation counts more than the field, as upstream. */
export function hintModeOf({ metadata, spec }: Service): HintMode {
  const mode = metadata.annotations?.[TOPOLOGY_HINTS] ?? metadata.annotations?.[TOPOLOGY_MODE];
  if (mode === 'Auto' || mode === 'auto') return 'auto';
  switch (spec?.trafficDistribution) {
    case 'PreferClose':
    case 'PreferSameZone':
      return 'zone';
    case 'PreferSameNode':
      return 'node';
    default:
      return 'none';
  }
}
