/** The back ends that the one suite of the proxy runs for, each on a lab's node. */
import { silentLogger } from '../../../machinery/process/logger.ts';
import { run } from '../../host/exec.ts';
import { Iptables } from '../../node-iptables/index.ts';
import type { ProxyBackend } from '../backend.ts';
import { IptablesBackend } from '../iptables-backend.ts';
import { NftablesBackend } from '../nftables-backend.ts';
import type { AddressFamily } from '../plan/address.ts';
import type { NodeModel } from '../plan/model.ts';
import type { Lab } from './lab.ts';

export interface BackEndCase {
  readonly name: string;
  readonly family: AddressFamily;
  create(lab: Lab, node: () => NodeModel): ProxyBackend;
  /** Rules of ours as text, without what changes by itself; no order that could differ. */
  rules(lab: Lab): Promise<string[]>;
  /** Somebody else removes most of our rules. */
  flush(lab: Lab): Promise<void>;
}

export const BACK_ENDS: readonly BackEndCase[] = [
  nftables('IPv4'),
  nftables('IPv6'),
  iptables('IPv4', 'nft'),
  iptables('IPv6', 'nft'),
  iptables('IPv4', 'legacy'),
];

function nftables(family: AddressFamily): BackEndCase {
  const words = family === 'IPv4' ? 'ip' : 'ip6';
  const nft = (lab: Lab, ...argv: string[]): Promise<{ stdout: string }> => run([...lab.in('node'), 'nft', ...argv]);
  return {
    name: `nftables ${family}`,
    family,
    create: (lab, node) => new NftablesBackend({ family, node, log: silentLogger, prefix: lab.in('node') }),
    rules: async lab => {
      const { stdout } = await nft(lab, '-s', 'list', 'ruleset', words);
      const start = stdout.indexOf(`table ${words} k8ts-proxy {`);
      if (start < 0) return [];
      const table = stdout.slice(start, stdout.indexOf('\n}\n', start));
      // Order of elements is the kernel's, of chains that of their making, of endpoints that of their coming; who was sent where is no rule.
      return table
        .replace(/ \. \d+ counter : /g, ' . SLOT counter : ')
        .replace(/(set affinity \{[^}]*?)elements = \{[^}]*\}/, '$1')
        .split(/\n|, *(?=\S)/)
        .map(line => line.replace(/elements = \{|[,}]$/g, '').trim())
        .sort();
    },
    flush: async lab => {
      await nft(lab, 'flush', 'chain', words, 'k8ts-proxy', 'nat-prerouting');
      await nft(lab, 'flush', 'map', words, 'k8ts-proxy', 'service-ips');
    },
  };
}

function iptables(family: AddressFamily, variant: 'nft' | 'legacy'): BackEndCase {
  const of = (lab: Lab): Iptables =>
    new Iptables({ family: family === 'IPv4' ? 'ipv4' : 'ipv6', variant, prefix: lab.in('node') });
  return {
    name: `iptables-${variant} ${family}`,
    family,
    create: (lab, node) => new IptablesBackend({ iptables: of(lab), node, log: silentLogger }),
    rules: async lab => {
      const lines: string[] = [];
      for (const [table, chains] of await of(lab).save())
        for (const [chain, { rules }] of chains)
          if (rules.length > 0 || chain.startsWith('KUBE-'))
            lines.push(`${table} ${chain}`, ...rules.map(rule => `${table} ${chain} ${rule.text}`));
      return lines.filter(line => line.includes('KUBE-')).sort();
    },
    flush: lab => of(lab).restore('*nat\n-F KUBE-PROXY-CANARY\n-F KUBE-SERVICES\nCOMMIT\n'),
  };
}
