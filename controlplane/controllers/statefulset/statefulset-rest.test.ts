/** Whatever happens, a StatefulSet has each of its numbered pods once in the end, of the right revision, and then nothing is called. */
import { expect, test } from '@jest/globals';
import type { StatefulSet } from '../../../proto/api/apps-v1.ts';
import { controllerRevisions, persistentVolumeClaims, pods, statefulSets } from '../../../machinery/client/resource.ts';
import { isControlledBy, isDeleting } from '../../../machinery/meta/object.ts';
import { REVISION_LABEL } from '../runtime/plan/revisions.ts';
import {
  forbiddenCalls,
  foreignDeletions,
  podMoves,
  PROPERTY_TIMEOUT_MS,
  provesRest,
  type Moves,
} from '../testdata/histories.ts';
import { done } from '../testdata/pretend-nodes.ts';
import { World } from '../testdata/world.ts';
import { ordinalOf } from './plan/identity.ts';
import { StatefulSetController } from './statefulset-controller.ts';

const { namespace } = World;
const ref = { namespace, name: 'db' };
const labels = { app: 'web' };

function statefulSet(n: number): StatefulSet {
  const claim = {
    metadata: { name: 'data' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  };
  return {
    metadata: ref,
    spec: {
      replicas: 2 + (n % 2),
      serviceName: 'db',
      podManagementPolicy: n % 2 === 0 ? 'OrderedReady' : 'Parallel',
      revisionHistoryLimit: 1,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'x' }] } },
      volumeClaimTemplates: [claim],
    },
  } as StatefulSet;
}

const patch = ({ admin }: World, body: object): Promise<boolean> =>
  done(admin.of(statefulSets).patch(ref, body, { type: 'merge' }));
const policy = (n: number): 'Retain' | 'Delete' => (n % 2 === 0 ? 'Retain' : 'Delete');

const moves: Moves = {
  ...podMoves,
  image: (world, n) =>
    patch(world, { spec: { template: { spec: { containers: [{ name: 'c', image: 'xyz'[n % 3] }] } } } }),
  scale: (world, n) => patch(world, { spec: { replicas: n % 5 } }),
  start: (world, n) => patch(world, { spec: { ordinals: { start: n % 3 } } }),
  partition: (world, n) =>
    patch(world, { spec: { updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: n % 3 } } } }),
  maxUnavailable: (world, n) =>
    patch(world, {
      spec: { updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1 + (n % 2) } } },
    }),
  onDelete: world => patch(world, { spec: { updateStrategy: { type: 'OnDelete', rollingUpdate: null } } }),
  minReady: (world, n) => patch(world, { spec: { minReadySeconds: n % 3 } }),
  retention: (world, n) =>
    patch(world, {
      spec: { persistentVolumeClaimRetentionPolicy: { whenScaled: policy(n), whenDeleted: policy(n >> 1) } },
    }),
  claimDeleted: ({ admin }, n) =>
    done(admin.of(persistentVolumeClaims).delete({ namespace, name: `data-db-${n % 3}` })),
  madeAnew: async ({ admin }, n) => {
    await done(admin.of(statefulSets).delete(ref, { propagationPolicy: 'Orphan' }));
    const finalizers = { metadata: { finalizers: null } };
    await done(admin.of(statefulSets).patch(ref, finalizers, { type: 'merge' }));
    await done(admin.of(statefulSets).create(statefulSet(n)));
  },
  revisionDeleted: async ({ admin }, n) => {
    const { items } = await admin.of(controllerRevisions).list({ namespace, resourceVersion: '' });
    const name = items[n % Math.max(1, items.length)]?.metadata.name;
    if (name !== undefined) await done(admin.of(controllerRevisions).delete({ namespace, name }));
  },
  holdSets: world => world.way.hold('statefulsets'),
  holdClaims: world => world.way.hold('persistentvolumeclaims'),
  holdRevisions: world => world.way.hold('controllerrevisions'),
};

const property = (n: number) => ({
  moves,
  open: async () => {
    const controllers = [
      (context: ConstructorParameters<typeof StatefulSetController>[0]) => new StatefulSetController(context),
    ];
    const world = await World.open({
      controllers,
      accounts: ['statefulset-controller'],
      owners: [statefulSets],
      collected: [persistentVolumeClaims],
    });
    await world.admin.of(statefulSets).create(statefulSet(n));
    return world;
  },
  check: async (world: World) => {
    const { admin } = world;
    expect(foreignDeletions(world, 'StatefulSet')).toEqual([]);
    expect(forbiddenCalls(world)).toEqual([]);
    const set = (await admin.of(statefulSets).list({ namespace, resourceVersion: '' })).items[0];
    if (set === undefined || isDeleting(set)) return;
    const all = (await admin.of(pods).list({ namespace, resourceVersion: '' })).items;
    const owned = all.filter(pod => isControlledBy(pod, set));
    expect(set.status?.observedGeneration).toBe(set.metadata.generation);
    expect(set.status?.replicas ?? 0).toBe(owned.length);
    // What others hold, or nobody lets go, blocks a number for good.
    if (all.some(pod => isDeleting(pod) || !isControlledBy(pod, set))) return;
    const { replicas = 1, ordinals, updateStrategy } = set.spec;
    const start = ordinals?.start ?? 0;
    expect(owned.map(pod => ordinalOf(set, pod)).sort()).toEqual(Array.from({ length: replicas }, (_, i) => start + i));
    expect(set.status?.availableReplicas ?? 0).toBe(replicas);
    const first = start + (updateStrategy?.rollingUpdate?.partition ?? 0);
    if (updateStrategy?.type === 'OnDelete') return;
    for (const pod of owned.filter(each => ordinalOf(set, each) >= first))
      expect(pod.metadata.labels?.[REVISION_LABEL]).toBe(set.status?.updateRevision);
  },
});

test.each([
  { what: 'ordered', n: 0 },
  { what: 'parallel', n: 1 },
])(
  'a StatefulSet, $what, reaches its pods and rests, whatever happened',
  async ({ n }) => provesRest({ ...property(n), runs: 3 }),
  PROPERTY_TIMEOUT_MS,
);
