/**
 * The pod network's rules for iptables: what leaves the cluster is masqueraded, what is to or from pods is forwarded, and what the node
 * answers on service addresses (cluster DNS) is let in. Own chains; the proxy's stand before them. Host ports are portmap's.
 */
import { renderRule } from '../../node-iptables/plan/render-rule.ts';
import type { SavedTables } from '../../node-iptables/plan/parse-save.ts';
import type { TableChange } from '../../node-iptables/plan/restore.ts';
import type { Match, Rule } from '../../node-iptables/plan/rule.ts';
import { CNI_NETWORK_NAME } from './cni-config.ts';
import { MULTICAST, isEmptyModel, type RuleModel } from './rule-model.ts';

const TABLES = ['nat', 'filter'] as const;
const note = (text: string): Match[] => [{ kind: 'comment', text: `k8ts ${text}` }];

interface Hook {
  readonly table: 'nat' | 'filter';
  readonly chain: string;
  readonly to: string;
  readonly place: 'first' | 'last';
}

// Forwarding is accepted last: rejections of the proxy and of network policy must come before.
const HOOKS: readonly Hook[] = [
  { table: 'nat', chain: 'POSTROUTING', to: 'K8TS-POSTROUTING', place: 'last' },
  { table: 'filter', chain: 'FORWARD', to: 'K8TS-FORWARD', place: 'last' },
  { table: 'filter', chain: 'INPUT', to: 'K8TS-INPUT', place: 'first' },
];

function hookRule(hook: Hook): string {
  return renderRule({ matches: note('pod network'), target: { kind: 'jump', chain: hook.to } });
}

function wantedChains(table: 'nat' | 'filter', model: RuleModel): Map<string, Rule[]> {
  const { clusterCIDRs, podCIDR, family } = model;
  if (table === 'nat') {
    const masquerade: Rule[] =
      podCIDR === undefined
        ? []
        : [
            ...clusterCIDRs.map((cidr): Rule => ({
              destination: { cidr },
              matches: note('pods keep their address among themselves'),
              target: { kind: 'return' },
            })),
            { destination: { cidr: MULTICAST[family] }, matches: note('multicast'), target: { kind: 'return' } },
            {
              source: { cidr: podCIDR },
              matches: note('what leaves the cluster'),
              target: { kind: 'masquerade', randomFully: true },
            },
          ];
    return new Map([['K8TS-POSTROUTING', masquerade]]);
  }
  return new Map<string, Rule[]>([
    [
      'K8TS-FORWARD',
      clusterCIDRs.flatMap((cidr): Rule[] => [
        { source: { cidr }, matches: note('from pods'), target: { kind: 'accept' } },
        { destination: { cidr }, matches: note('to pods'), target: { kind: 'accept' } },
      ]),
    ],
    [
      'K8TS-INPUT',
      model.localServiceIPs.map(ip => ({
        destination: { cidr: `${ip}/${family === 'ipv4' ? 32 : 128}` },
        matches: note('service answered by the node'),
        target: { kind: 'accept' },
      })),
    ],
  ]);
}

/** What must be written so that all rules stand; empty changes if they do. */
export function iptablesRuleChanges(saved: SavedTables, model: RuleModel): TableChange[] {
  if (isEmptyModel(model)) return iptablesRuleCleanup(saved);
  return TABLES.map(table => {
    const found = saved.get(table);
    const chains = new Map(
      [...wantedChains(table, model)].filter(([name, rules]) => {
        const there = found?.get(name)?.rules;
        return (
          there?.length !== rules.length || rules.some((rule, i) => renderRule(rule, model.family) !== there[i]?.text)
        );
      }),
    );
    const missing = HOOKS.filter(
      hook => hook.table === table && found?.get(hook.chain)?.rules.some(r => r.text === hookRule(hook)) !== true,
    );
    const rules = (place: Hook['place']) =>
      missing.filter(hook => hook.place === place).map(hook => ({ chain: hook.chain, rule: hookRule(hook) }));
    return { table, chains, insert: rules('first'), append: rules('last') };
  });
}

/** What portmap makes once and leaves behind when the last host port is gone. */
const PORTMAP_CHAINS = ['CNI-HOSTPORT-DNAT', 'CNI-HOSTPORT-MASQ', 'CNI-HOSTPORT-SETMARK'] as const;

const PORTMAP_TOP = 'CNI-HOSTPORT-DNAT';
/** In the comment of each of our pods' rules; iptables-save quotes the quotes. */
const PORTMAP_OURS = `dnat name: \\"${CNI_NETWORK_NAME}\\" id:`;

/** Removes the host ports of our pods that portmap made, and its own chains if no pod, of any network, has a host port any more. */
function portmapCleanup(saved: SavedTables): TableChange[] {
  const nat = saved.get('nat');
  const there = PORTMAP_CHAINS.filter(name => nat?.has(name) === true);
  if (nat === undefined || there.length === 0) return [];
  const ours = (nat.get(PORTMAP_TOP)?.rules ?? []).filter(({ text }) => text.includes(PORTMAP_OURS));
  const chains = new Set(ours.flatMap(({ text }) => / -j (CNI-DN-\S+)$/.exec(text)?.[1] ?? []));
  const removeOurs = ours.map(({ text }) => ({ chain: PORTMAP_TOP, rule: text }));
  const areOthersLeft = [...nat.keys()].some(name => name.startsWith('CNI-DN-') && !chains.has(name));
  if (areOthersLeft) return [{ table: 'nat', remove: removeOurs, deleteChains: [...chains] }];
  const isJump = (text: string): boolean => there.some(name => text.endsWith(` -j ${name}`));
  const jumps = [...nat].filter(([, chain]) => chain.policy !== undefined);
  const remove = jumps.flatMap(([chain, { rules }]) =>
    rules.filter(r => isJump(r.text)).map(r => ({ chain, rule: r.text })),
  );
  return [{ table: 'nat', remove, deleteChains: [...there, ...chains] }];
}

/** Removes all rules. */
export function iptablesRuleCleanup(saved: SavedTables): TableChange[] {
  const own = TABLES.flatMap(table => {
    const found = saved.get(table);
    if (found === undefined) return [];
    const hooks = HOOKS.filter(hook => hook.table === table);
    return [
      {
        table,
        remove: hooks.flatMap(hook =>
          (found.get(hook.chain)?.rules ?? [])
            .filter(r => r.text === hookRule(hook))
            .map(r => ({ chain: hook.chain, rule: r.text })),
        ),
        deleteChains: hooks.map(hook => hook.to).filter(name => found.has(name)),
      },
    ];
  });
  return [...own, ...portmapCleanup(saved)];
}
