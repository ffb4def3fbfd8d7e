/**
 * ConfigMap `kube-system/kube-dns`: whom cluster DNS asks for names outside the cluster's domain. Followed as it changes; what cannot be taken
 * is told once, and the rest holds. Without it the host's name servers are asked.
 */
import { isIP } from 'node:net';
import type { Informer } from '../../machinery/client/informer.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import type { ConfigMap } from '../../proto/api/core-v1.ts';
import { readForwardRules } from './plan/forward-rules.ts';
import type { ForwardRules } from './plan/forward-rules.ts';

export interface DnsConfigOptions {
  /** Of that namespace and name alone. */
  readonly configMaps: Informer<ConfigMap>;
  readonly ownAddresses: readonly string[];
  readonly log: Logger;
}

export const DNS_CONFIG = { namespace: 'kube-system', name: 'kube-dns' } as const;

/** Calls `changed` with what is in force; the returned function ends that. */
export function followDnsConfig(options: DnsConfigOptions, changed: (rules: ForwardRules) => void): () => void {
  const { configMaps, ownAddresses, log } = options;
  let before: string | undefined;
  const look = (data: Readonly<Record<string, string>>): void => {
    const { rules, problems } = readForwardRules(
      data,
      text => isIP(text) !== 0,
      ip => ownAddresses.includes(ip),
    );
    const now = JSON.stringify([rules.upstreams, [...rules.stubDomains], problems]);
    if (now === before) return;
    before = now;
    if (problems.length > 0) {
      const configMap = `${DNS_CONFIG.namespace}/${DNS_CONFIG.name}`;
      log.error({ configMap, problems }, 'parts of the configuration of cluster DNS cannot be used');
    }
    changed(rules);
  };
  const isOurs = ({ metadata }: ConfigMap): boolean =>
    metadata.name === DNS_CONFIG.name && metadata.namespace === DNS_CONFIG.namespace;
  return configMaps.addHandler({
    onAdd: map => isOurs(map) && look(map.data ?? {}),
    onUpdate: (_, now) => isOurs(now) && look(now.data ?? {}),
    onDelete: map => isOurs(map) && look({}),
  });
}
