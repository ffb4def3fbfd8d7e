/** Network policies, put together for the node that runs and for `reset`. */
import { existsSync } from 'node:fs';
import type { Client } from '../../machinery/client/client.ts';
import { EventRecorder } from '../../machinery/client/event-recorder.ts';
import type { Informer, InformerFactory } from '../../machinery/client/informer.ts';
import { namespaces, networkPolicies } from '../../machinery/client/resource.ts';
import { systemClock } from '../../machinery/process/clock.ts';
import type { Component } from '../../machinery/process/component.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import type { MetricsRegistry } from '../../machinery/process/metrics.ts';
import type { Sysctls } from '../../agent/host/sysctl.ts';
import { Ipset, Iptables, Nftables, type RuleChanges } from '../../agent/node-iptables/index.ts';
import { IptablesPolicyBackend } from '../../agent/policy/iptables-policy-backend.ts';
import { NetworkPolicies } from '../../agent/policy/network-policies.ts';
import { NftablesPolicyBackend, POLICY_TABLE } from '../../agent/policy/nftables-policy-backend.ts';
import type { PolicyBackend } from '../../agent/policy/policy-backend.ts';
import { PolicyMetrics } from '../../agent/policy/policy-metrics.ts';
import type { ModeChoice } from '../../agent/proxy/choose-mode.ts';
import type { Pod } from '../../proto/api/core-v1.ts';
import { filterNameOf, filtersInUse, isOfNoFilter, variantOf, type FilterName } from './packet-filter.ts';
import { stoppedLast } from './running.ts';

export interface PolicyOptions {
  readonly filter: Pick<ModeChoice, 'packetFilter' | 'iptablesVariant'>;
  /** Who reads policies, namespaces and pods. */
  readonly client: Client;
  readonly informers: InformerFactory;
  /** Those of this node. */
  readonly localPods: Informer<Pod>;
  readonly nodeName: string;
  readonly answered: () => readonly string[];
  readonly isOurNetwork: () => boolean;
  readonly sysctls: Sysctls;
  readonly ruleChanges: RuleChanges;
  readonly log: Logger;
}

export interface PolicyParts {
  readonly policies: NetworkPolicies;
  /** What runs beside it. */
  readonly components: readonly Component[];
  /** Where it tells what it does; once. */
  readonly measureIn: (registry: MetricsRegistry) => void;
}

export function createPolicy(options: PolicyOptions): PolicyParts {
  const { filter, client, informers, nodeName, log } = options;
  const clock = systemClock;
  const recorder = new EventRecorder({ client, clock, logger: log, component: 'k8ts-network-policy', host: nodeName });
  const used = filterNameOf(filter);
  const policies = new NetworkPolicies({
    ...options,
    policies: informers.informer(networkPolicies),
    namespaces: informers.informer(namespaces),
    backend: used === undefined ? undefined : backendOf(used),
    leftovers: filtersInUse()
      .filter(name => name !== used)
      .map(backendOf),
    recorder,
    clock,
  });
  return {
    policies,
    components: [stoppedLast('network-policy-events', () => recorder.stop())],
    measureIn: registry => policies.measure(new PolicyMetrics(registry)),
  };
}

/** Removes the rules of policies from every packet filter, whoever wrote them. @returns what there was, in words */
export async function removePolicyRules(): Promise<string[]> {
  const removed: string[] = [];
  for (const name of filtersInUse()) {
    try {
      if (await backendOf(name).cleanup()) removed.push(`rules of network policies (${name})`);
    } catch (error) {
      if (!isOfNoFilter(error)) throw error;
    }
  }
  return removed;
}

function backendOf(filter: FilterName): PolicyBackend {
  const variant = variantOf(filter);
  if (variant === undefined) return new NftablesPolicyBackend(new Nftables('inet', POLICY_TABLE));
  const families = new Map([
    ['IPv4', new Iptables({ family: 'ipv4', variant })] as const,
    ...(existsSync('/proc/net/if_inet6') ? [['IPv6', new Iptables({ family: 'ipv6', variant })] as const] : []),
  ]);
  return new IptablesPolicyBackend({ families, ipset: new Ipset() });
}
