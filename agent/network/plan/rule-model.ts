/** What the packet-filter rules of the pod network depend on, of one address family. */
import type { Attachment, HostPort } from './attachment.ts';

export interface RuleModel {
  readonly family: 'ipv4' | 'ipv6';
  /** All ranges of pod addresses of the cluster. */
  readonly clusterCIDRs: readonly string[];
  /** The node's own; undefined while it has none of this family. */
  readonly podCIDR: string | undefined;
  /** Service addresses that the node itself answers. */
  readonly localServiceIPs: readonly string[];
  /** Ports of the node that lead to a pod, where no plugin sees to them. */
  readonly hostPorts: readonly PodHostPort[];
}

export interface PodHostPort extends HostPort {
  readonly podIP: string;
}

export const MULTICAST = { ipv4: '224.0.0.0/4', ipv6: 'ff00::/8' } as const;

/** What is given for both families, taken apart. */
export function ruleModels(input: {
  readonly clusterCIDRs: readonly string[];
  readonly podCIDRs: readonly string[];
  readonly localServiceIPs: readonly string[];
  readonly attachments: readonly Attachment[];
}): RuleModel[] {
  return (['ipv4', 'ipv6'] as const).map(family => {
    const isOurs = (text: string): boolean => text.includes(':') === (family === 'ipv6');
    return {
      family,
      clusterCIDRs: input.clusterCIDRs.filter(isOurs),
      podCIDR: input.podCIDRs.find(isOurs),
      localServiceIPs: input.localServiceIPs.filter(isOurs),
      hostPorts: input.attachments.flatMap(attachment => hostPortsOf(attachment, isOurs)),
    };
  });
}

function hostPortsOf({ addresses, hostPorts }: Attachment, isOurs: (text: string) => boolean): PodHostPort[] {
  const podIP = addresses.find(isOurs);
  if (podIP === undefined) return [];
  return hostPorts.filter(({ hostIP }) => hostIP === '' || isOurs(hostIP)).map(port => ({ ...port, podIP }));
}

/** Whether any rule is needed. */
export function isEmptyModel(model: RuleModel): boolean {
  return model.clusterCIDRs.length === 0 && model.podCIDR === undefined;
}
