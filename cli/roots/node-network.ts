/** The node's pod network, put together for the node that runs and for `reset`. */
import type { Clock } from '../../machinery/process/clock.ts';
import type { Informer } from '../../machinery/client/informer.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import type { Node } from '../../proto/api/core-v1.ts';
import {
  IptablesRules,
  NftablesRules,
  SoleRules,
  noRules,
  type NetworkRules,
} from '../../agent/network/network-rules.ts';
import { PodNetwork, type NetworkStatus, type PodNetworkOptions } from '../../agent/network/pod-network.ts';
import { ServiceRange } from '../../agent/network/service-range.ts';
import { Iptables } from '../../agent/node-iptables/iptables.ts';
import type { ModeChoice } from '../../agent/proxy/choose-mode.ts';
import type { Config } from '../config.ts';
import { isPodNetworkMode } from '../network-flags.ts';
import type { Paths } from '../paths.ts';
import type { NodeParts } from './node-parts.ts';
import { filterNameOf, filtersInUse, variantOf, type FilterName } from './packet-filter.ts';

export interface NodeNetworkOptions {
  readonly nodes: Informer<Node>;
  readonly nodeName: string;
  readonly clusterCIDRs: readonly string[];
  readonly serviceCIDRs: readonly string[];
  readonly localServiceIPs: readonly string[];
  readonly filter: Pick<ModeChoice, 'packetFilter' | 'iptablesVariant'>;
  readonly sandboxIds?: PodNetworkOptions['sandboxIds'];
  readonly ruleChanges?: PodNetworkOptions['ruleChanges'];
  readonly onStatus?: PodNetworkOptions['onStatus'];
  readonly clock: Clock;
  readonly log: Logger;
}

export function createNodeNetwork(
  { config, paths, parts }: { config: Config; paths: Paths; parts: NodeParts },
  options: NodeNetworkOptions,
): PodNetwork {
  const { serviceCIDRs, localServiceIPs, filter, ...rest } = options;
  const { links, sysctls, cniConfDir } = parts;
  return new PodNetwork({
    ...rest,
    links,
    sysctls,
    cniConfDir,
    rules: networkRules(filter, options.log),
    serviceRange: new ServiceRange({ links, serviceCIDRs, localServiceIPs }),
    mode: isPodNetworkMode(config.podNetwork) ? config.podNetwork : 'auto',
    vxlanId: config.vxlanId,
    vxlanPort: config.vxlanPort,
    bridge: config.podBridge,
    cniIpamDir: paths.cniState,
  });
}

/** Why pods have no network here, as the node's condition says it. */
export function problemsOf({ ready, reason, message }: NetworkStatus): string[] {
  return ready ? [] : [`pod network not ready: ${reason}: ${message}`];
}

/** What the packet filter of this node has, and nothing of ours in the others, which an earlier start may have chosen. */
function networkRules(filter: NodeNetworkOptions['filter'], log: Logger): NetworkRules {
  const used = filterNameOf(filter);
  const others = filtersInUse().filter(name => name !== used);
  return new SoleRules(used === undefined ? noRules : rulesOf(used), others.map(rulesOf), log);
}

function rulesOf(filter: FilterName): NetworkRules {
  const variant = variantOf(filter);
  if (variant === undefined) return new NftablesRules();
  return new IptablesRules((['ipv4', 'ipv6'] as const).map(family => new Iptables({ family, variant })));
}
