/**
 * Looks at the host and decides, once, with what rules are written here (see plan/decide-mode.ts). It changes nothing: a legacy iptables
 * that nobody uses is not even asked, since asking loads its tables.
 */
import { CommandError, Iptables, Nftables } from '../node-iptables/index.ts';
import type { CommandOptions, SavedTables } from '../node-iptables/index.ts';
import { runCommand } from '../node-iptables/run-command.ts';
import { decideMode } from './plan/decide-mode.ts';
import type { FilterFacts, IptablesVariant, ModeChoice, ProxyMode } from './plan/decide-mode.ts';

import type { NodeModel, ServicePortModel } from './plan/model.ts';
import { fullNftCommands } from './plan/nftables-full.ts';
import { planNftService } from './plan/nftables-service.ts';

export type { ModeChoice, PacketFilter, ProxyMode } from './plan/decide-mode.ts';

/** Chains of ours, of other proxies of this cluster and of CNI plugins, which come back by themselves. */
const OWN_CHAIN = /^(KUBE|K8TS|CNI)-/;
const OWN_JUMP = /(?:^|\s)-[jg] (KUBE|K8TS|CNI)-/;

/** A service with a bit of all that the nftables back end asks of the kernel. */
const PROBE_SERVICE: ServicePortModel = {
  name: 'k8ts/probe',
  protocol: 'TCP',
  port: 80,
  clusterIP: '192.0.2.1',
  externalIPs: [],
  loadBalancerIPs: ['192.0.2.2'],
  sourceRanges: ['192.0.2.0/24'],
  nodePort: 30_000,
  affinitySeconds: 60,
  internalPolicy: 'Cluster',
  externalPolicy: 'Local',
  clusterEndpoints: [{ ip: '192.0.2.3', port: 80, local: true }],
  localEndpoints: [{ ip: '192.0.2.3', port: 80, local: true }],
};

const PROBE_NODE: NodeModel = {
  nodeName: '',
  family: 'IPv4',
  localServiceIPs: new Set(),
  localhostNodePorts: true,
  nodePortAddresses: 'all',
  masqueradeBit: 14,
};

/** @throws ModeError if the mode that was asked for cannot work here */
export async function chooseMode(wanted: ProxyMode | 'auto', options: CommandOptions = {}): Promise<ModeChoice> {
  const choice = decideMode(wanted, await lookAtHost(options));
  if ('problem' in choice) throw new ModeError(choice.problem);
  return choice;
}

/** A mode was asked for that this host cannot have. */
export class ModeError extends Error {}

async function lookAtHost(options: CommandOptions): Promise<FilterFacts> {
  const [nftables, defaultVariant, nft, legacy] = await Promise.all([
    hasNftables(options),
    defaultOf(options),
    variantFacts('nft', options),
    variantFacts('legacy', options),
  ]);
  return { nftables, defaultVariant, iptables: [nft, legacy].filter(found => found !== undefined) };
}

async function variantFacts(
  variant: IptablesVariant,
  options: CommandOptions,
): Promise<FilterFacts['iptables'][number] | undefined> {
  const iptables = new Iptables({ ...options, variant });
  try {
    if (variant === 'legacy' && !(await hasLegacyTables(options))) {
      await iptables.version();
      return { variant, foreignRules: false };
    }
    const saved = await iptables.save();
    return { variant, foreignRules: hasForeignRules(saved) };
  } catch (error) {
    if (error instanceof CommandError) return undefined;
    throw error;
  }
}

function hasForeignRules(saved: SavedTables): boolean {
  for (const chains of saved.values()) {
    for (const [name, { policy, rules }] of chains) {
      if (policy !== undefined && policy !== 'ACCEPT' && policy !== '-') return true;
      if (!OWN_CHAIN.test(name) && rules.some(rule => !OWN_JUMP.test(rule.text))) return true;
    }
  }
  return false;
}

/** What plain `iptables` says it is, if it can read the kernel's rules at all. */
async function defaultOf(options: CommandOptions): Promise<IptablesVariant | undefined> {
  try {
    const text = await new Iptables(options).version();
    return text.includes('nf_tables') ? 'nft' : 'legacy';
  } catch (error) {
    if (error instanceof CommandError) return undefined;
    throw error;
  }
}

async function hasLegacyTables(options: CommandOptions): Promise<boolean> {
  const names = ['/proc/net/ip_tables_names', '/proc/net/ip6_tables_names'];
  const { stdout } = await runCommand(['cat', ...names], '', options, () => true);
  return stdout.trim() !== '';
}

/** Checked by the kernel, not applied. */
async function hasNftables(options: CommandOptions): Promise<boolean> {
  const ports = planNftService([PROBE_SERVICE], undefined, PROBE_NODE);
  const commands = [...fullNftCommands([ports], { kind: 'recreate' }, PROBE_NODE, new Set())].flat();
  try {
    return await new Nftables('ip', 'k8ts-probe', options).wouldAccept(commands);
  } catch (error) {
    if (error instanceof CommandError) return false;
    throw error;
  }
}
