/**
 * How fast nodes of a zone may lose their pods, by how much of the zone is well. Pure.
 * Source: upstream `pkg/controller/nodelifecycle`, ComputeZoneState, and the defaults of kube-controller-manager's flags.
 */
import type { Node } from '../../../../proto/api/core-v1.ts';

export interface ZoneHealth {
  readonly ready: number;
  readonly notReady: number;
}

/** `full`: no node of the zone is ready. */
export type ZoneState = 'normal' | 'partial' | 'full';

const UNHEALTHY_SHARE = 0.55;
const LARGE_ZONE = 50;
const PER_SECOND = 0.1;
const SECONDARY_PER_SECOND = 0.01;

/** Region and zone; '' for nodes that say neither. */
export function zoneOf({ metadata: { labels } }: Node): string {
  const of = (name: string): string =>
    labels?.[`topology.kubernetes.io/${name}`] ?? labels?.[`failure-domain.beta.kubernetes.io/${name}`] ?? '';
  const [region, zone] = [of('region'), of('zone')];
  return region === '' && zone === '' ? '' : `${region}:${zone}`;
}

export function zoneState({ ready, notReady }: ZoneHealth): ZoneState {
  if (ready === 0 && notReady > 0) return 'full';
  return notReady > 2 && notReady / (ready + notReady) >= UNHEALTHY_SHARE ? 'partial' : 'normal';
}

/**
 * Nodes of the zone that may be tainted NoExecute in a second. A zone that is down altogether, while others are not, has a problem of its own and
 * is cleared; one that is down in part is more likely cut off, and is left alone if it is small.
 */
export function evictionsPerSecond(health: ZoneHealth): number {
  if (zoneState(health) !== 'partial') return PER_SECOND;
  return health.ready + health.notReady > LARGE_ZONE ? SECONDARY_PER_SECOND : 0;
}
