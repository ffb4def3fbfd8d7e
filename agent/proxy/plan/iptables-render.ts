/** All rules of one service as text, as `iptables-save` prints them. */
import { renderRule } from '../../node-iptables/plan/render-rule.ts';
import { iptablesFamily } from './iptables-base.ts';
import type { Hairpin } from './iptables-base.ts';
import type { Branch } from './iptables-branches.ts';
import { computeServiceRules } from './iptables-service.ts';
import type { NodeModel, ServicePortModel } from './model.ts';

export interface RenderedService {
  /** Chains of the nat table with their rules. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
  /** Rules in branches. */
  readonly shared: readonly { readonly branch: Branch; readonly rule: string }[];
}

/** @throws RangeError if a name or number cannot be part of a rule */
export function renderService(
  ports: readonly ServicePortModel[],
  node: NodeModel,
  hairpin: Hairpin = 'oneRule',
): RenderedService {
  const family = iptablesFamily(node.family);
  const chains = new Map<string, string[]>();
  const shared: { branch: Branch; rule: string }[] = [];
  for (const port of ports) {
    const computed = computeServiceRules(port, node, hairpin);
    for (const [chain, rules] of computed.chains)
      chains.set(
        chain,
        rules.map(rule => renderRule(rule, family)),
      );
    for (const { branch, rule } of computed.shared) shared.push({ branch, rule: renderRule(rule, family) });
  }
  return { chains, shared };
}
