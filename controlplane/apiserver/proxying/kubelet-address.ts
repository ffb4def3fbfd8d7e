/**
 * Where a node's kubelet listens.
 */
import { badRequest, internalError } from '../../../machinery/meta/status-error.ts';
import type { Node } from '../../../proto/api/core-v1.ts';
import type { ResourceStorage } from '../storage/storage.ts';

const KUBELET_PORT = 10250;
/** Which of a node's addresses is tried; upstream's default order. */
const PREFERRED = ['Hostname', 'InternalDNS', 'InternalIP', 'ExternalDNS', 'ExternalIP'];

export interface Address {
  readonly host: string;
  readonly port: number;
}

/**
 * Differs: InternalIP comes before names, so that nothing depends on a resolver that knows the nodes.
 * @throws StatusError NotFound, BadRequest
 */
export async function kubeletAddress(nodes: ResourceStorage<Node>, name: string): Promise<Address> {
  if (name === '') throw badRequest('the pod has not been assigned to a node yet');
  const { object } = await nodes.get('', name);
  const addresses = object.status?.addresses ?? [];
  const order = ['InternalIP', ...PREFERRED];
  const found = order.map(type => addresses.find(a => a.type === type)).find(a => a !== undefined);
  if (found === undefined)
    throw internalError(
      new Error(`node ${name} has no address that the API server could reach: status.addresses is empty`),
    );
  const port = object.status?.daemonEndpoints?.kubeletEndpoint?.Port ?? KUBELET_PORT;
  return { host: found.address, port: port === 0 ? KUBELET_PORT : port };
}
