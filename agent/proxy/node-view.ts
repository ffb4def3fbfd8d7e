/** What the proxy's plan must know of its node, from the Node object: today the zone. */
import type { Informer } from '../../machinery/client/informer.ts';
import type { Node } from '../../proto/api/core-v1.ts';
import type { AddressFamily } from './plan/address.ts';
import type { NodeModel } from './plan/model.ts';

const ZONE_LABEL = 'topology.kubernetes.io/zone';

export interface NodeViewOptions {
  readonly nodes: Informer<Node>;
  readonly nodeName: string;
  readonly clusterCIDR: string | undefined;
  /** Service addresses that the node answers itself: the cluster DNS address. */
  readonly localServiceIPs: readonly string[];
  /** Default IPv4. */
  readonly family?: AddressFamily;
}

export class NodeView {
  private readonly options: NodeViewOptions;
  private readonly localServiceIPs: ReadonlySet<string>;

  constructor(options: NodeViewOptions) {
    this.options = options;
    this.localServiceIPs = new Set(options.localServiceIPs);
  }

  current(): NodeModel {
    const { nodes, nodeName, clusterCIDR, family } = this.options;
    return {
      nodeName,
      zone: zoneOf(nodes.lister.get(undefined, nodeName)),
      family: family ?? 'IPv4',
      clusterCIDR,
      localServiceIPs: this.localServiceIPs,
      localhostNodePorts: true,
    };
  }

  /** Calls `changed` whenever `current()` gives something else; the returned function ends that. */
  follow(changed: () => void): () => void {
    const { nodes, nodeName } = this.options;
    let zone = this.current().zone;
    const look = (node: Node): void => {
      if (node.metadata.name !== nodeName || zoneOf(node) === zone) return;
      zone = zoneOf(node);
      changed();
    };
    return nodes.addHandler({ onAdd: look, onUpdate: (_, now) => look(now) });
  }
}

function zoneOf(node: Node | undefined): string | undefined {
  const zone = node?.metadata.labels?.[ZONE_LABEL];
  return zone === '' ? undefined : zone;
}
