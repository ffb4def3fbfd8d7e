/**
 * Whether RBAC rules cover a question, and whether rules cover other rules (for the escalation check). Pure.
 * Source: kubernetes `pkg/apis/rbac/v1/evaluation_helpers.go`, `component-helpers/auth/rbac/validation`.
 */
import type { PolicyRule } from '../../../proto/api/rbac-v1.ts';
import type { Attributes } from './authorizer.ts';

export function ruleAllows(rule: PolicyRule, a: Attributes): boolean {
  if (!rule.verbs.includes(a.verb) && !rule.verbs.includes('*')) return false;
  if (!a.isResource) return (rule.nonResourceURLs ?? []).some(pattern => urlCovers(pattern, a.path));
  const { apiGroups = [], resources = [], resourceNames } = rule;
  if (!apiGroups.includes(a.group) && !apiGroups.includes('*')) return false;
  if (!resourceCovered(resources, a.resource, a.subresource)) return false;
  return resourceNames === undefined || resourceNames.length === 0 || resourceNames.includes(a.name);
}

function resourceCovered(resources: readonly string[], resource: string, subresource: string): boolean {
  if (resources.includes('*')) return true;
  if (subresource === '') return resources.includes(resource);
  return resources.includes(`${resource}/${subresource}`) || resources.includes(`*/${subresource}`);
}

function urlCovers(pattern: string, path: string): boolean {
  return pattern === '*' || pattern === path || (pattern.endsWith('*') && path.startsWith(pattern.slice(0, -1)));
}

/** The parts of `wanted` that `owned` does not cover, each broken down to one verb, group, resource and name. */
export function uncoveredRules(owned: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  return wanted.flatMap(breakDown).filter(part => !owned.some(rule => covers(rule, part)));
}

function breakDown(rule: PolicyRule): PolicyRule[] {
  const parts: PolicyRule[] = [];
  const names: (string | undefined)[] =
    (rule.resourceNames ?? []).length === 0 ? [undefined] : (rule.resourceNames ?? []);
  for (const verb of rule.verbs) {
    for (const group of rule.apiGroups ?? []) {
      for (const resource of rule.resources ?? []) {
        for (const name of names) {
          const part: PolicyRule = { verbs: [verb], apiGroups: [group], resources: [resource] };
          parts.push(name === undefined ? part : { ...part, resourceNames: [name] });
        }
      }
    }
    for (const url of rule.nonResourceURLs ?? []) parts.push({ verbs: [verb], nonResourceURLs: [url] });
  }
  return parts;
}

function covers(owned: PolicyRule, part: PolicyRule): boolean {
  const has = (list: readonly string[] | undefined, value: string): boolean =>
    list !== undefined && (list.includes(value) || list.includes('*'));
  if (!has(owned.verbs, part.verbs[0] ?? '')) return false;
  const url = part.nonResourceURLs?.[0];
  if (url !== undefined) return (owned.nonResourceURLs ?? []).some(pattern => urlCovers(pattern, url));
  if (!has(owned.apiGroups, part.apiGroups?.[0] ?? '')) return false;
  const [resource = '', subresource = ''] = (part.resources?.[0] ?? '').split('/');
  if (!resourceCovered(owned.resources ?? [], resource, subresource)) return false;
  if ((owned.resourceNames ?? []).length === 0) return true;
  const name = part.resourceNames?.[0];
  return name !== undefined && (owned.resourceNames ?? []).includes(name);
}
