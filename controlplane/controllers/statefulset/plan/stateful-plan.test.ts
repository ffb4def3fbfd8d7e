import { describe, expect, test } from '@jest/globals';
import type { StatefulSet, StatefulSetSpec } from '../../../../proto/api/apps-v1.ts';
import type { Pod } from '../../../../proto/api/core-v1.ts';
import { REVISION_LABEL } from '../../runtime/plan/revisions.ts';
import { claimOwners, claimsOf, isStaleClaim } from './claims.ts';
import { missingIdentity, statefulPod } from './identity.ts';
import { planStateful, planStatefulStatus } from './stateful-plan.ts';

const NOW_MS = Date.parse('2026-01-01T00:10:00Z');

const set = (spec: Partial<StatefulSetSpec> = {}): StatefulSet => ({
  metadata: { name: 'db', namespace: 'default', uid: 'u', generation: 4 },
  spec: {
    replicas: 3,
    serviceName: 'db',
    selector: { matchLabels: { app: 'x' } },
    template: { metadata: { labels: { app: 'x' } }, spec: { containers: [] } },
    ...spec,
  },
});

/** `0:new:ready`, `1:old`, `2:old:ready:deleting`, `1:new:failed`. */
function pod(text: string): Pod {
  const [ordinal, revision = '', ...more] = text.split(':');
  return {
    metadata: {
      name: `db-${ordinal}`,
      uid: `uid-${ordinal}`,
      labels: { [REVISION_LABEL]: revision },
      deletionTimestamp: more.includes('deleting') ? '2026-01-01T00:00:00Z' : undefined,
    },
    spec: { containers: [] },
    status: {
      phase: more.includes('failed') ? 'Failed' : 'Running',
      conditions: [
        {
          type: 'Ready',
          status: more.includes('ready') ? 'True' : 'False',
          lastTransitionTime: '2026-01-01T00:09:50Z',
        },
      ],
    },
  };
}

const view = (subject: StatefulSet, pods: string[]) => ({
  set: subject,
  pods: pods.map(pod),
  currentRevision: 'old',
  updateRevision: 'new',
  nowMs: NOW_MS,
});

function plan(subject: StatefulSet, ...pods: string[]): string {
  const { create, delete: gone } = planStateful(view(subject, pods));
  return [
    ...create.map(({ ordinal, revision }) => `+${ordinal}:${revision}`),
    ...gone.map(({ metadata }) => `-${metadata.name?.slice(3)}`),
  ].join(' ');
}

const parallel = (spec: Partial<StatefulSetSpec> = {}) => set({ podManagementPolicy: 'Parallel', ...spec });
const rolling = (partition: number, maxUnavailable?: number) =>
  ({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition, maxUnavailable } } }) as const;

describe('planStateful()', () => {
  test.each<[string, StatefulSet, string[], string]>([
    ['the first comes alone', set(), [], '+0:new'],
    ['the second waits for the first', set(), ['0:new'], ''],
    ['the second comes when the first serves', set(), ['0:new:ready'], '+1:new'],
    ['and when it has served long enough', set({ minReadySeconds: 30 }), ['0:new:ready'], ''],
    ['at once, where the set says so', parallel(), ['1:new'], '+0:new +2:new'],
    ['a hole is filled first', set(), ['0:new:ready', '2:new:ready'], '+1:new'],
    ['what failed is made anew', set(), ['0:new:ready', '1:new:failed'], '-1'],
    ['numbers may start elsewhere', set({ ordinals: { start: 5 }, replicas: 1 }), [], '+5:new'],
    ['the highest number goes first', set({ replicas: 1 }), ['0:new:ready', '1:new:ready', '2:new:ready'], '-2'],
    ['and the next waits for it', set({ replicas: 1 }), ['0:new:ready', '1:new:ready', '2:new:ready:deleting'], ''],
    ['nothing goes while one does not serve', set({ replicas: 1 }), ['0:new', '1:new:ready'], ''],
    ['unless it is that one', set({ replicas: 1 }), ['0:new:ready', '1:new'], '-1'],
    ['all at once, where the set says so', parallel({ replicas: 0 }), ['0:new:ready', '1:new'], '-1 -0'],
    ['an update begins at the end', set(), ['0:old:ready', '1:old:ready', '2:old:ready'], '-2'],
    ['and goes on when that serves', set(), ['0:old:ready', '1:old:ready', '2:new:ready'], '-1'],
    ['and not before', set(), ['0:old:ready', '1:old:ready', '2:new'], ''],
    ['a partition stops it', set(rolling(2)), ['0:old:ready', '1:old:ready', '2:new:ready'], ''],
    ['below a partition pods stay what they were', set(rolling(2)), ['0:old:ready'], '+1:old'],
    ['several at a time', set(rolling(0, 2)), ['0:old:ready', '1:old:ready', '2:old:ready'], '-2 -1'],
    ['at most as many as may be missing', parallel(rolling(0, 2)), ['0:old', '1:old:ready', '2:old:ready'], '-2'],
    ['one that fails is replaced, in its turn', parallel(rolling(0)), ['0:old:ready', '1:old:ready', '2:old'], '-2'],
    ['and not before its turn', parallel(rolling(0)), ['0:old', '1:old:ready', '2:old:ready'], ''],
    ['OnDelete', set({ updateStrategy: { type: 'OnDelete' } }), ['0:old:ready', '1:old:ready', '2:old:ready'], ''],
  ])('%s', (_name, subject, pods, expected) => {
    expect(plan(subject, ...pods)).toBe(expected);
  });
});

describe('planStatefulStatus()', () => {
  test('counts by revision', () => {
    const { status } = planStatefulStatus(view(set(), ['0:old:ready', '1:old', '2:new:ready']));
    expect(status).toMatchObject({
      replicas: 3,
      readyReplicas: 2,
      availableReplicas: 2,
      currentReplicas: 2,
      updatedReplicas: 1,
      currentRevision: 'old',
      updateRevision: 'new',
      observedGeneration: 4,
    });
  });

  test('an update that is through is the current revision', () => {
    const { status } = planStatefulStatus(view(set(), ['0:new:ready', '1:new:ready', '2:new:ready']));
    expect(status).toMatchObject({ currentRevision: 'new', currentReplicas: 3, updatedReplicas: 3 });
  });

  test('knows when a pod becomes available', () => {
    const subject = set({ minReadySeconds: 15, replicas: 1 });
    expect(planStatefulStatus(view(subject, ['0:new:ready']))).toMatchObject({
      status: { readyReplicas: 1, availableReplicas: 0 },
      afterMs: 5000,
    });
  });
});

describe('identity', () => {
  const volumeClaimTemplates = [{ metadata: { name: 'data', labels: { a: 'b' } }, spec: {} }];

  test('a pod has its number, host name and claims', () => {
    const template = {
      spec: {
        containers: [],
        volumes: [
          { name: 'data', emptyDir: {} },
          { name: 'tmp', emptyDir: {} },
        ],
      },
    };
    const made = statefulPod(set({ volumeClaimTemplates }), template, 1, 'r');
    expect(made.metadata).toMatchObject({
      name: 'db-1',
      labels: {
        'statefulset.kubernetes.io/pod-name': 'db-1',
        'apps.kubernetes.io/pod-index': '1',
        [REVISION_LABEL]: 'r',
      },
    });
    expect(made.spec).toMatchObject({ hostname: 'db-1', subdomain: 'db' });
    expect(made.spec.volumes).toEqual([
      { name: 'data', persistentVolumeClaim: { claimName: 'data-db-1' } },
      { name: 'tmp', emptyDir: {} },
    ]);
    expect(claimsOf(set({ volumeClaimTemplates }), 1)[0]?.metadata).toMatchObject({
      name: 'data-db-1',
      labels: { a: 'b', app: 'x' },
    });
  });

  test('claims go with whom the policy says', () => {
    const policy = (whenDeleted: string, whenScaled: string) =>
      set({ persistentVolumeClaimRetentionPolicy: { whenDeleted, whenScaled } });
    const uids = (subject: StatefulSet, isCondemned: boolean) =>
      claimOwners(subject, pod('2:new'), isCondemned, []).map(owner => owner.uid);
    expect(uids(policy('Retain', 'Retain'), true)).toEqual([]);
    expect(uids(policy('Delete', 'Retain'), false)).toEqual(['u']);
    expect(uids(policy('Delete', 'Delete'), true)).toEqual(['uid-2']);
    expect(uids(policy('Retain', 'Delete'), false)).toEqual([]);
  });

  test("claims that are somebody else's stay theirs", () => {
    const subject = set({ persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete', whenScaled: 'Delete' } });
    const owners = [{ apiVersion: 'v1', kind: 'Other', name: 'o', uid: 'o', controller: true }];
    expect(claimOwners(subject, pod('2:new'), true, owners)).toBe(owners);
  });

  test('a claim that goes with a pod that is gone is stale', () => {
    const subject = set({ persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Delete' } });
    const ownerReferences = [{ apiVersion: 'v1', kind: 'Pod', name: 'db-2', uid: 'uid-2' }];
    const claim = { metadata: { name: 'data-db-2', ownerReferences }, spec: {} };
    expect(isStaleClaim(subject, claim, 'db-2', undefined)).toBe(true);
    expect(isStaleClaim(subject, claim, 'db-2', 'uid-2')).toBe(false);
    expect(isStaleClaim(set(), claim, 'db-2', undefined)).toBe(false);
  });

  test("a pod that was adopted gets what makes it the set's own", () => {
    expect(missingIdentity(set(), pod('2:new'))).toEqual({
      'statefulset.kubernetes.io/pod-name': 'db-2',
      'apps.kubernetes.io/pod-index': '2',
    });
    expect(missingIdentity(set(), statefulPod(set(), { spec: { containers: [] } }, 1, 'r') as Pod)).toBeUndefined();
  });
});
