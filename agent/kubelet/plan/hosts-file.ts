/**
 * A pod's /etc/hosts.
 * Source: kubernetes.io/docs, "Adding entries to Pod /etc/hosts with HostAliases"; `pkg/kubelet/kubelet_pods.go` 1.36.
 */
import type { HostAlias } from '../../../proto/api/core-v1.ts';

const HEADER = '# Kubernetes-managed hosts file.\n';
const HEADER_HOST_NETWORK = '# Kubernetes-managed hosts file (host network).\n';

/** @param domainName of the subdomain's service; '' without one */
export function podHostsFile(
  podIPs: readonly string[],
  hostname: string,
  domainName: string,
  aliases: readonly HostAlias[],
): string {
  const fixed = [
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::\tip6-localnet',
    'fe00::0\tip6-mcastprefix',
    'fe00::1\tip6-allnodes',
    'fe00::2\tip6-allrouters',
  ];
  const own = podIPs.map(ip =>
    domainName === '' ? `${ip}\t${hostname}` : `${ip}\t${hostname}.${domainName}\t${hostname}`,
  );
  return `${HEADER}${[...fixed, ...own].join('\n')}\n${aliasLines(aliases)}`;
}

/** For pods on the node's network: its own file, and the aliases. */
export function hostNetworkHostsFile(nodeHosts: string, aliases: readonly HostAlias[]): string {
  return `${HEADER_HOST_NETWORK}${nodeHosts}${aliasLines(aliases)}`;
}

function aliasLines(aliases: readonly HostAlias[]): string {
  if (aliases.length === 0) return '';
  const lines = aliases.map(({ ip, hostnames }) => `${ip}\t${(hostnames ?? []).join('\t')}`);
  return `\n# Entries added by HostAliases.\n${lines.join('\n')}\n`;
}
