/**
 * The rules of a ClusterRole that is made of others. Pure. Source: upstream `pkg/controller/clusterroleaggregation`.
 */
import type { ClusterRole, PolicyRule } from '../../../proto/api/rbac-v1.ts';
import { canonicalJson } from '../../../machinery/meta/json-value.ts';
import { compileLabelSelector } from '../../../machinery/meta/label-selector.ts';

/**
 * @param all every ClusterRole there is
 * @returns the rules it should have; undefined when it is made of no others, or has these rules in some order already
 */
export function aggregatedRules(role: ClusterRole, all: readonly ClusterRole[]): PolicyRule[] | undefined {
  const selectors = role.aggregationRule?.clusterRoleSelectors;
  if (selectors === undefined) return undefined;
  const matchers = selectors.map(selector => compileLabelSelector(selector));
  const parts = all
    .filter(other => other.metadata.name !== role.metadata.name)
    .filter(other => matchers.some(matcher => matcher.matches(other.metadata.labels)))
    .sort((a, b) => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1));
  const wanted = new Map(parts.flatMap(part => part.rules ?? []).map(rule => [canonicalJson(rule), rule]));
  const has = new Set((role.rules ?? []).map(rule => canonicalJson(rule)));
  const same = has.size === wanted.size && [...wanted.keys()].every(key => has.has(key));
  return same ? undefined : [...wanted.values()];
}
