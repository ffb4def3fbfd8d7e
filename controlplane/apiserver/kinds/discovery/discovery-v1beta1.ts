/**
 * EndpointSlices of discovery.k8s.io/v1beta1, where node and zone of an endpoint stand among its topology labels.
 * Source: Kubernetes `pkg/apis/discovery/v1beta1/conversion.go`, 1.24.
 */
import type { Endpoint, EndpointSlice } from '../../../../proto/api/discovery-v1.ts';
import type { Endpoint as BetaEndpoint, EndpointSlice as BetaSlice } from '../../../../proto/api/discovery-v1beta1.ts';
import type { Conversion } from '../../registry/served-resource.ts';

const ZONE = 'topology.kubernetes.io/zone';
const HOSTNAME = 'kubernetes.io/hostname';

export const discoveryV1beta1Conversion: Conversion = {
  toStorage(object) {
    const { endpoints, ...slice } = object as BetaSlice;
    return {
      ...slice,
      apiVersion: 'discovery.k8s.io/v1',
      ...(endpoints === undefined ? {} : { endpoints: endpoints.map(toEndpoint) }),
    };
  },
  fromStorage(object) {
    const { endpoints, ...slice } = object as EndpointSlice;
    return {
      ...slice,
      apiVersion: 'discovery.k8s.io/v1beta1',
      ...(endpoints === undefined ? {} : { endpoints: endpoints.map(fromEndpoint) }),
    };
  },
  keep(object, older) {
    const hints = new Map(
      ((older as EndpointSlice).endpoints ?? []).map(endpoint => [addressesOf(endpoint), endpoint.hints]),
    );
    for (const endpoint of (object as EndpointSlice).endpoints ?? []) {
      const was = hints.get(addressesOf(endpoint));
      if (was !== undefined) endpoint.hints = was;
    }
  },
};

function toEndpoint({ topology, ...endpoint }: BetaEndpoint): Endpoint {
  if (topology === undefined) return endpoint;
  const { [ZONE]: zone, ...rest } = topology;
  if (rest[HOSTNAME] !== undefined && rest[HOSTNAME] === endpoint.nodeName) delete rest[HOSTNAME];
  return {
    ...endpoint,
    ...(Object.keys(rest).length > 0 ? { deprecatedTopology: rest } : {}),
    ...(zone === undefined ? {} : { zone }),
  };
}

function fromEndpoint({ deprecatedTopology, zone, hints: _, ...endpoint }: Endpoint): BetaEndpoint {
  const topology = {
    ...deprecatedTopology,
    ...(zone === undefined ? {} : { [ZONE]: zone }),
    ...(endpoint.nodeName === undefined ? {} : { [HOSTNAME]: endpoint.nodeName }),
  };
  return Object.keys(topology).length > 0 ? { ...endpoint, topology } : endpoint;
}

function addressesOf({ addresses }: Endpoint): string {
  return (addresses ?? []).join(',');
}
