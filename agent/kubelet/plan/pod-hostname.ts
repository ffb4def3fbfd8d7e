/**
 * What a pod calls itself.
 * Source: kubernetes.io/docs, "Pod's hostname and subdomain fields"; KEP-1797 (setHostnameAsFQDN), KEP-4762 (hostnameOverride).
 */
import type { Pod } from '../../../proto/api/core-v1.ts';

const MAX_HOSTNAME_CHARS = 63;
const MAX_KERNEL_HOSTNAME_CHARS = 64;

export interface PodHostname {
  /** The short name, as /etc/hosts has it. */
  readonly hostname: string;
  /** `subdomain.namespace.svc.domain`; '' without a subdomain. */
  readonly domainName: string;
  /** What the sandbox is told. */
  readonly sandboxHostname: string;
}

/** @returns a sentence instead if the name is too long for the kernel */
export function podHostname(pod: Pod, clusterDomain: string): PodHostname | string {
  const { spec, metadata } = pod;
  if (spec.hostnameOverride !== undefined && spec.hostnameOverride !== '' && spec.hostNetwork !== true) {
    return { hostname: spec.hostnameOverride, domainName: '', sandboxHostname: spec.hostnameOverride };
  }
  const wanted = spec.hostname !== undefined && spec.hostname !== '' ? spec.hostname : (metadata.name ?? '');
  const hostname = wanted.slice(0, MAX_HOSTNAME_CHARS).replace(/[-.]+$/, '');
  const { subdomain = '' } = spec;
  const domainName = subdomain === '' ? '' : `${subdomain}.${metadata.namespace ?? ''}.svc.${clusterDomain}`;
  const asFqdn = spec.setHostnameAsFQDN === true && domainName !== '';
  const sandboxHostname = asFqdn ? `${hostname}.${domainName}` : hostname;
  if (asFqdn && sandboxHostname.length > MAX_KERNEL_HOSTNAME_CHARS) {
    return `failed to construct FQDN from Pod hostname and cluster domain, FQDN ${sandboxHostname} is too long (64 characters is the max, ${sandboxHostname.length} characters requested)`;
  }
  // On the node's network the runtime must not rename the node.
  return { hostname, domainName, sandboxHostname: spec.hostNetwork === true ? '' : sandboxHostname };
}
