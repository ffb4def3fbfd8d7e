/**
 * The CNI configuration of the pod network: a bridge with host-local addresses, and portmap for host ports.
 *
 * What each choice costs a pod's start (plugins 1.1.1, per ADD): bridge with host-local 11 ms; `ipMasq` 13 ms more, `promiscMode`
 * 4 ms more; portmap 5 ms without ports, 37 ms with one. So masquerading is done by the node's own rules, once, and a
 * pod that talks to itself through its service is served by hairpin mode, which costs nothing.
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
}

/** The file's name; configurations are taken in the order of their names. */
export const CNI_CONFIG_FILE = '10-k8ts.conflist';

/** What must be in the plugin directory. */
export const CNI_PLUGINS = ['bridge', 'host-local', 'loopback', 'portmap'] as const;

export function renderCniConfig(options: CniOptions): string {
  const defaultRoutes = options.podCIDRs.map(cidr => ({ dst: cidr.includes(':') ? '::/0' : '0.0.0.0/0' }));
  const config = {
    cniVersion: '1.0.0',
    name: 'k8ts',
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
      { type: 'portmap', capabilities: { portMappings: true }, snat: true },
    ],
  };
  return JSON.stringify(config, null, 2) + '\n';
}

/** Names in the configuration directory that are another network's. */
export function foreignConfigs(names: readonly string[]): string[] {
  return names.filter(name => /\.(conf|conflist|json)$/.test(name) && name !== CNI_CONFIG_FILE).sort();
}
