/**
 * The CNI configuration of the pod network: a bridge with host-local addresses, portmap for host ports where iptables is this node's
 * packet filter (else they are rules of our own, see nftables-rules.ts), and bandwidth for pods whose annotations ask for it.
 *
 * What each choice costs a pod's start (plugins 1.1.1, per ADD): bridge with host-local 11 ms, with two families as well; `ipMasq` 13 ms
 * more, `promiscMode` 4 ms more; portmap 5 ms without ports, 37 ms with one; bandwidth 5 ms. So masquerading is done by the node's own
 * rules, once, and a pod that talks to itself through its service is served by hairpin mode, which costs nothing. Duplicate address
 * detection, which would keep a pod waiting for its IPv6 address for a second, is off in pods by the plugin's own default.
 */

/** What the configuration depends on. */
export interface CniOptions {
  /** Of the node, one a family. */
  readonly podCIDRs: readonly string[];
  /** At most 15 characters. */
  readonly bridge: string;
  readonly mtu: number;
  /** Where host-local keeps which address is whose; private to the node. */
  readonly ipamDir: string;
  /** Whether portmap may make rules with iptables. */
  readonly portmap: boolean;
  /** Service addresses that the node answers itself: no pod takes their ports. */
  readonly localServiceIPs: readonly string[];
}

/** The file's name; configurations are taken in the order of their names. */
export const CNI_CONFIG_FILE = '10-k8ts.conflist';

export const CNI_NETWORK_NAME = 'k8ts';

/** What must be in the plugin directory. */
export const CNI_PLUGINS = ['bridge', 'host-local', 'loopback', 'portmap', 'bandwidth'] as const;

export function renderCniConfig(options: CniOptions): string {
  const defaultRoutes = options.podCIDRs.map(cidr => ({ dst: cidr.includes(':') ? '::/0' : '0.0.0.0/0' }));
  const config = {
    cniVersion: '1.0.0',
    name: CNI_NETWORK_NAME,
    plugins: [
      {
        type: 'bridge',
        bridge: options.bridge,
        isGateway: true,
        hairpinMode: true,
        mtu: options.mtu,
        ipam: {
          type: 'host-local',
          ranges: options.podCIDRs.map(subnet => [{ subnet }]),
          routes: [...new Map(defaultRoutes.map(route => [route.dst, route])).values()],
          dataDir: options.ipamDir,
        },
      },
      ...(options.portmap ? [portmap(options.localServiceIPs)] : []),
      { type: 'bandwidth', capabilities: { bandwidth: true } },
    ],
  };
  return JSON.stringify(config, null, 2) + '\n';
}

// portmap takes words of iptables for each family; of one family there is one such address.
function portmap(localServiceIPs: readonly string[]) {
  const four = localServiceIPs.find(ip => !ip.includes(':'));
  const six = localServiceIPs.find(ip => ip.includes(':'));
  return {
    type: 'portmap',
    capabilities: { portMappings: true },
    snat: true,
    ...(four === undefined ? {} : { conditionsV4: ['!', '-d', `${four}/32`] }),
    ...(six === undefined ? {} : { conditionsV6: ['!', '-d', `${six}/128`] }),
  };
}

/** Names in the configuration directory that are another network's. */
export function foreignConfigs(names: readonly string[]): string[] {
  return names.filter(name => /\.(conf|conflist|json)$/.test(name) && name !== CNI_CONFIG_FILE).sort();
}
