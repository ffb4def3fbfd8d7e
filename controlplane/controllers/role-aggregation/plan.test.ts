import { expect, test } from '@jest/globals';
import type { ClusterRole, PolicyRule } from '../../../proto/api/rbac-v1.ts';
import { aggregatedRules } from './plan.ts';

const rule = (resource: string): PolicyRule => ({ verbs: ['get'], apiGroups: [''], resources: [resource] });
const part = (name: string, ...resources: string[]): ClusterRole => ({
  metadata: { name, labels: { into: 'whole' } },
  rules: resources.map(rule),
});
const whole = (...resources: string[]): ClusterRole => ({
  metadata: { name: 'whole', labels: { into: 'whole' } },
  aggregationRule: { clusterRoleSelectors: [{ matchLabels: { into: 'whole' } }] },
  rules: resources.map(rule),
});

test.each<[string, ClusterRole, ClusterRole[], PolicyRule[] | undefined]>([
  ['a plain role is left alone', part('a', 'pods'), [], undefined],
  [
    'parts in the order of their names, each rule once',
    whole(),
    [part('b', 'c', 'a'), part('a', 'a')],
    [rule('a'), rule('c')],
  ],
  ['the same rules in another order are no change', whole('b', 'a'), [part('x', 'a', 'b')], undefined],
  ['it is no part of itself', whole('a'), [part('x', 'b')], [rule('b')]],
  ['without parts it has no rules', whole('a'), [], []],
])('aggregatedRules(): %s', (_name, role, others, want) => {
  expect(aggregatedRules(role, [...others, role])).toEqual(want);
});
