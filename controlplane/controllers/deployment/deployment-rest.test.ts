/** Whatever happens, a Deployment has its template rolled out in the end, or tells why not, and then nothing is called. */
import { expect, test } from '@jest/globals';
import type { Deployment, ReplicaSet } from '../../../proto/api/apps-v1.ts';
import { deployments, pods, replicaSets } from '../../../machinery/client/resource.ts';
import { isControlledBy } from '../../../machinery/meta/object.ts';
import { replicaSetKind } from '../replicaset/replica-kind.ts';
import { ReplicaSetController } from '../replicaset/replicaset-controller.ts';
import { isPodActive } from '../runtime/plan/pod-state.ts';
import {
  forbiddenCalls,
  foreignDeletions,
  podMoves,
  PROPERTY_TIMEOUT_MS,
  provesRest,
  type Moves,
} from '../testdata/histories.ts';
import { BROKEN_IMAGE, done } from '../testdata/pretend-nodes.ts';
import { World } from '../testdata/world.ts';
import { DeploymentController } from './deployment-controller.ts';
import { findNewSet } from './plan/revisions.ts';
import { fencepostsOf } from './plan/sizes.ts';

const { namespace } = World;
const name = 'web';
const ref = { namespace, name };
const labels = { app: 'web' };
const images = ['x', 'y', 'z', BROKEN_IMAGE];
const strategies = [
  { type: 'Recreate', rollingUpdate: null },
  { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
  { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
  { type: 'RollingUpdate', rollingUpdate: { maxSurge: '50%', maxUnavailable: '50%' } },
];

function deployment(replicas: number): Deployment {
  const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'x' }] } };
  return {
    metadata: { namespace, name },
    spec: { replicas, revisionHistoryLimit: 2, selector: { matchLabels: labels }, template },
  } as Deployment;
}

const patch = ({ admin }: World, body: object): Promise<boolean> =>
  done(admin.of(deployments).patch(ref, body, { type: 'merge' }));

async function withSet(world: World, n: number, what: (set: ReplicaSet) => Promise<unknown>): Promise<void> {
  const { items } = await world.admin.of(replicaSets).list({ namespace, resourceVersion: '' });
  const set = items[n % Math.max(1, items.length)];
  if (set !== undefined) await done(what(set));
}

const moves: Moves = {
  ...podMoves,
  image: (world, n) =>
    patch(world, { spec: { template: { spec: { containers: [{ name: 'c', image: images[n % 4] }] } } } }),
  scale: (world, n) => patch(world, { spec: { replicas: n % 7 } }),
  pause: world => patch(world, { spec: { paused: true } }),
  resume: world => patch(world, { spec: { paused: false } }),
  strategy: (world, n) => patch(world, { spec: { strategy: strategies[n % 4] } }),
  minReady: (world, n) => patch(world, { spec: { minReadySeconds: n % 3 } }),
  annotate: (world, n) => patch(world, { metadata: { annotations: { note: String(n) } } }),
  setResized: (world, n) =>
    withSet(world, n, ({ metadata }) =>
      world.admin
        .of(replicaSets)
        .patch({ namespace, name: metadata.name ?? '' }, { spec: { replicas: n % 5 } }, { type: 'merge' }),
    ),
  setOrphaned: (world, n) =>
    withSet(world, n, ({ metadata }) =>
      world.admin
        .of(replicaSets)
        .patch({ namespace, name: metadata.name ?? '' }, { metadata: { ownerReferences: null } }, { type: 'merge' }),
    ),
  setDeleted: (world, n) =>
    withSet(world, n, ({ metadata }) =>
      world.admin.of(replicaSets).delete({ namespace, name: metadata.name ?? '' }, { propagationPolicy: 'Background' }),
    ),
  madeAnew: async world => {
    await done(world.admin.of(deployments).delete(ref, { propagationPolicy: 'Orphan' }));
    await done(world.admin.of(deployments).create(deployment(3)));
  },
  holdSets: world => world.way.hold('replicasets'),
  holdDeployments: world => world.way.hold('deployments'),
};

test(
  'a Deployment rolls out and rests, whatever happened',
  async () => {
    await provesRest({
      moves,
      open: async () => {
        const controllers = [
          (context: ConstructorParameters<typeof DeploymentController>[0]) => new DeploymentController(context),
          (context: ConstructorParameters<typeof DeploymentController>[0]) =>
            new ReplicaSetController(context, replicaSetKind),
        ];
        const world = await World.open({
          controllers,
          accounts: ['deployment-controller', 'replicaset-controller'],
          owners: [replicaSets],
        });
        await world.admin.of(deployments).create(deployment(3));
        return world;
      },
      check: async world => {
        const { admin } = world;
        expect(foreignDeletions(world, 'ReplicaSet')).toEqual([]);
        expect(forbiddenCalls(world)).toEqual([]);
        const found = (await admin.of(deployments).list({ namespace, resourceVersion: '' })).items[0];
        if (found === undefined || found.metadata.deletionTimestamp !== undefined) return;
        const sets = (await admin.of(replicaSets).list({ namespace, resourceVersion: '' })).items.filter(set =>
          isControlledBy(set, found),
        );
        const living = (await admin.of(pods).list({ namespace, resourceVersion: '' })).items.filter(
          pod => isPodActive(pod) && sets.some(set => isControlledBy(pod, set)),
        );
        const { replicas = 1, paused = false, template } = found.spec ?? {};
        expect(found.status?.observedGeneration).toBe(found.metadata.generation);
        expect(found.status?.replicas ?? 0).toBe(living.length);
        expect(living.length).toBeLessThanOrEqual(replicas + fencepostsOf(found).surge);
        if (paused || template?.spec?.containers[0]?.image === BROKEN_IMAGE) return;
        expect(living.length).toBe(replicas);
        expect(findNewSet(found, sets)?.spec?.replicas).toBe(replicas);
        expect(found.status?.updatedReplicas ?? 0).toBe(replicas);
        expect(found.status?.availableReplicas ?? 0).toBe(replicas);
        expect(found.status?.conditions?.find(c => c.type === 'Progressing')?.reason).toBe('NewReplicaSetAvailable');
        expect(sets.length).toBeLessThanOrEqual(3);
      },
    });
  },
  PROPERTY_TIMEOUT_MS,
);
