import { expect, test } from '@jest/globals';
import type { Namespace, Pod } from '../../../proto/api/core-v1.ts';
import { isEmpty, planConditions, podsGraceSeconds, unexpectedlyLeft, type ContentReport } from './plan.ts';

const NOW_MS = Date.parse('2026-01-01T00:00:00Z');
const nothing: ContentReport = {
  discoveryFailures: new Map(),
  deletionFailures: [],
  remaining: new Map(),
  finalizers: new Map(),
};
const said = (report: Partial<ContentReport>, namespace: Namespace = { metadata: { name: 'n' }, spec: {} }) =>
  planConditions(namespace, { ...nothing, ...report }, NOW_MS).map(c => [c.type, c.status, c.reason, c.message]);

test('planConditions() says of an empty namespace that nothing is left, in upstream’s words', () => {
  expect(isEmpty(nothing)).toBe(true);
  expect(said({})).toEqual([
    ['NamespaceDeletionDiscoveryFailure', 'False', 'ResourcesDiscovered', 'All resources successfully discovered'],
    [
      'NamespaceDeletionGroupVersionParsingFailure',
      'False',
      'ParsedGroupVersions',
      'All legacy kube types successfully parsed',
    ],
    [
      'NamespaceDeletionContentFailure',
      'False',
      'ContentDeleted',
      'All content successfully deleted, may be waiting on finalization',
    ],
    ['NamespaceContentRemaining', 'False', 'ContentRemoved', 'All content successfully removed'],
    ['NamespaceFinalizersRemaining', 'False', 'ContentHasNoFinalizers', 'All content-preserving finalizers finished'],
  ]);
});

test.each<[string, Partial<ContentReport>, number, string, string]>([
  [
    'groups that do not answer',
    {
      discoveryFailures: new Map([
        ['x.io/v1', 'no'],
        ['a.io/v1', 'gone'],
      ]),
    },
    0,
    'DiscoveryFailed',
    'Discovery failed for some groups, 2 failing: unable to retrieve the complete list of server APIs: a.io/v1: gone, x.io/v1: no',
  ],
  [
    'kinds that could not be deleted',
    { deletionFailures: ['z', 'a'] },
    2,
    'ContentDeletionFailed',
    'Failed to delete all resource types, 2 remaining: a, z',
  ],
  [
    'what is left',
    {
      remaining: new Map([
        ['pods.', 2],
        ['jobs.batch', 1],
      ]),
    },
    3,
    'SomeResourcesRemain',
    'Some resources are remaining: jobs.batch has 1 resource instances, pods. has 2 resource instances',
  ],
  [
    'finalizers',
    {
      finalizers: new Map([
        ['x.io/b', 1],
        ['x.io/a', 3],
      ]),
    },
    4,
    'SomeFinalizersRemain',
    'Some content in the namespace has finalizers remaining: x.io/a in 3 resource instances, x.io/b in 1 resource instances',
  ],
])('planConditions() tells of %s', (_name, report, at, reason, message) => {
  expect(said(report)[at]?.slice(1)).toEqual(['True', reason, message]);
});

test('planConditions() changes nothing where nothing changed', () => {
  const report = { ...nothing, remaining: new Map([['pods.', 1]]) };
  const conditions = planConditions({ metadata: {}, spec: {} }, report, NOW_MS);
  expect(
    planConditions({ metadata: {}, spec: {}, status: { conditions: [...conditions] } }, report, NOW_MS + 9000),
  ).toEqual(conditions);
});

test('podsGraceSeconds() is the longest of those that still run', () => {
  const pod = (terminationGracePeriodSeconds: number, phase = 'Running') =>
    ({ metadata: {}, spec: { terminationGracePeriodSeconds }, status: { phase } }) as Pod;
  expect(podsGraceSeconds([pod(30), pod(5), pod(600, 'Succeeded')])).toBe(30);
  expect(podsGraceSeconds([])).toBe(0);
});

test('unexpectedlyLeft() names the kind as upstream does', () => {
  const text = unexpectedlyLeft('n', { group: '', version: 'v1', resource: 'pods' });
  expect(text).toBe('unexpected items still remain in namespace: n for gvr: /v1, Resource=pods');
});
