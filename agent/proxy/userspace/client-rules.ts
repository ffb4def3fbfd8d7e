/** Who may come to a socket, and which endpoints are for whom. */
import { isWithin, parseNetwork } from '../../../machinery/meta/ip-number.ts';
import type { IpNetwork } from '../../../machinery/meta/ip-number.ts';
import type { EndpointModel, NodeModel } from '../plan/model.ts';
import { isLoopback } from '../plan/userspace-sockets.ts';
import type { SocketPlan } from '../plan/userspace-sockets.ts';

/** What is known of the node when a client comes. */
export interface ClientContext {
  readonly node: () => NodeModel;
  readonly serviceNetwork: IpNetwork;
  /** The node's addresses, of the family. */
  readonly ownAddresses: () => readonly string[];
}

/**
 * @param asked the address that the client asked
 * @returns undefined if it may not come
 */
export function endpointsFor(
  plan: SocketPlan,
  client: string,
  asked: string,
  { node, serviceNetwork, ownAddresses }: ClientContext,
): readonly EndpointModel[] | undefined {
  const { clusterCIDR, localhostNodePorts } = node();
  if (plan.isNodePort) {
    // A socket of all addresses has those of services as well.
    if (isWithin(asked, serviceNetwork)) return undefined;
    if (isLoopback(asked) && !localhostNodePorts) return undefined;
  }
  const isOwn = client === asked || isLoopback(client) || ownAddresses().includes(client);
  if (!isOwn && plan.sourceRanges.length > 0 && !plan.sourceRanges.some(range => isWithin(client, parseNetwork(range))))
    return undefined;
  const isInside = isOwn || (clusterCIDR !== undefined && isWithin(client, parseNetwork(clusterCIDR)));
  return isInside ? plan.inside : plan.outside;
}
