/** A pod as an endpoint of a service. Pure. Source: upstream `endpointslice/utils.go`. */
import type { Pod, Service } from '../../../../proto/api/core-v1.ts';
import type { Endpoint, EndpointHints } from '../../../../proto/api/discovery-v1.ts';
import { isPodReady } from '../../runtime/plan/pod-state.ts';
import { hostnameIn } from '../../runtime/plan/service-endpoints.ts';
import type { HintMode } from './hint-mode.ts';

export function endpointOf(
  service: Service,
  pod: Pod,
  address: string,
  zoneOf: (node: string) => string | undefined,
  mode: HintMode,
): Endpoint {
  const serving = isPodReady(pod);
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  const ready = service.spec?.publishNotReadyAddresses === true || (serving && !terminating);
  const nodeName = pod.spec?.nodeName;
  const zone = nodeName === undefined ? undefined : zoneOf(nodeName);
  const hostname = hostnameIn(service, pod);
  const hints = ready ? nearHints(mode, nodeName, zone) : undefined;
  const { namespace, name, uid } = pod.metadata;
  return {
    addresses: [address],
    conditions: { ready, serving, terminating },
    ...(hostname === undefined ? {} : { hostname }),
    targetRef: { kind: 'Pod', namespace, name, uid },
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(zone === undefined ? {} : { zone }),
    ...(hints === undefined ? {} : { hints }),
  };
}

/** For those of its own zone, and of its own node. Source: upstream `endpointslice/trafficdist`. */
function nearHints(mode: HintMode, node: string | undefined, zone: string | undefined): EndpointHints | undefined {
  if (mode !== 'zone' && mode !== 'node') return undefined;
  const forZones = zone === undefined ? {} : { forZones: [{ name: zone }] };
  const forNodes = node === undefined || mode === 'zone' ? {} : { forNodes: [{ name: node }] };
  const hints = { ...forZones, ...forNodes };
  return Object.keys(hints).length === 0 ? undefined : hints;
}
