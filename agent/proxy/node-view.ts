/** What the proxy's plan must know of its node: from the Node object, from flags, and which addresses the node has. One address family each. */
import { networkInterfaces } from 'node:os';
import type { Informer } from '../../machinery/client/informer.ts';
import { canonicalAddress, isWithin, parseNetwork } from '../../machinery/meta/ip-number.ts';
import { ipFamilyOf } from '../../machinery/meta/value-shapes.ts';
import type { Node } from '../../proto/api/core-v1.ts';
import type { AddressFamily } from './plan/address.ts';
import type { NodeModel } from './plan/model.ts';

const ZONE_LABEL = 'topology.kubernetes.io/zone';

export interface NodeViewOptions {
  readonly nodes: Informer<Node>;
  readonly nodeName: string;
  readonly family: AddressFamily;
  readonly clusterCIDR: string | undefined;
  /** Service addresses that the node answers itself: the cluster DNS addresses. They may become others; call `look()` then. */
  readonly localServiceIPs: () => readonly string[];
  /** Ranges, `primary` for the node's own addresses, or nothing for all. */
  readonly nodePortAddresses?: readonly string[] | undefined;
  readonly masqueradeBit?: number;
  readonly localhostNodePorts?: boolean;
}

export class NodeView {
  private readonly options: NodeViewOptions;
  private model: NodeModel;
  private readonly listeners = new Set<() => void>();

  constructor(options: NodeViewOptions) {
    this.options = options;
    this.model = this.read();
  }

  current(): NodeModel {
    return this.model;
  }

  /** Calls `changed` whenever `current()` gives something else; the returned function ends that. */
  follow(changed: () => void): () => void {
    const { nodes, nodeName } = this.options;
    const seen = (node: Node): void => {
      if (node.metadata.name === nodeName) this.look();
    };
    this.listeners.add(changed);
    const remove = nodes.addHandler({ onAdd: seen, onUpdate: (_, now) => seen(now) });
    return () => {
      this.listeners.delete(changed);
      remove();
    };
  }

  /** Reads everything again. */
  look(): void {
    const now = this.read();
    if (fingerprint(now) === fingerprint(this.model)) return;
    this.model = now;
    for (const changed of this.listeners) changed();
  }

  private read(): NodeModel {
    const { nodes, nodeName, clusterCIDR, family, localServiceIPs } = this.options;
    const node = nodes.lister.get(undefined, nodeName);
    return {
      nodeName,
      zone: zoneOf(node),
      family,
      clusterCIDR,
      localServiceIPs: new Set(localServiceIPs().filter(ip => ipFamilyOf(ip) === family)),
      localhostNodePorts: family === 'IPv4' && this.options.localhostNodePorts !== false,
      nodePortAddresses: this.addresses(node),
      masqueradeBit: this.options.masqueradeBit ?? 14,
    };
  }

  private addresses(node: Node | undefined): NodeModel['nodePortAddresses'] {
    const { nodePortAddresses: ranges = [], family } = this.options;
    if (ranges.length === 0) return 'all';
    const isFamily = (address: string): boolean => ipFamilyOf(address) === family;
    if (ranges.includes('primary')) {
      const own = (node?.status?.addresses ?? []).filter(a => a.type === 'InternalIP').map(a => a.address);
      return own.filter(isFamily).sort();
    }
    const networks = ranges.map(range => parseNetwork(range));
    const own = Object.values(networkInterfaces()).flatMap(list => list ?? []);
    const addresses = own.flatMap(({ address }) => canonicalAddress(address) ?? []).filter(isFamily);
    return [...new Set(addresses.filter(address => networks.some(network => isWithin(address, network))))].sort();
  }
}

function fingerprint({ zone, localServiceIPs, nodePortAddresses }: NodeModel): string {
  return JSON.stringify([zone, [...localServiceIPs], nodePortAddresses]);
}

function zoneOf(node: Node | undefined): string | undefined {
  const zone = node?.metadata.labels?.[ZONE_LABEL];
  return zone === '' ? undefined : zone;
}
