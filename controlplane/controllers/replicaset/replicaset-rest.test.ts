/** Whatever happens, a ReplicaSet has its pods in the end, no others are touched, and then nothing is called. */
import { expect, test } from '@jest/globals';
import type { ReplicaSet } from '../../../proto/api/apps-v1.ts';
import { pods, replicaSets } from '../../../machinery/client/resource.ts';
import { isControlledBy, isDeleting } from '../../../machinery/meta/object.ts';
import {
  forbiddenCalls,
  foreignDeletions,
  passing,
  podMoves,
  PROPERTY_TIMEOUT_MS,
  provesRest,
  trouble,
  type Moves,
} from '../testdata/histories.ts';
import { done } from '../testdata/pretend-nodes.ts';
import { World } from '../testdata/world.ts';
import { isPodActive } from '../runtime/plan/pod-state.ts';
import { replicaSetKind } from './replica-kind.ts';
import { ReplicaSetController } from './replicaset-controller.ts';

const { namespace } = World;
const names = ['a', 'b'];

function replicaSet(name: string, replicas: number): ReplicaSet {
  // Both select the same labels: two controllers that want one pod.
  const labels = { app: 'web' };
  return {
    metadata: { namespace, name },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'x' }] } },
    },
  } as ReplicaSet;
}

const moves: Moves = {
  ...podMoves,
  create: ({ admin }, n) => done(admin.of(replicaSets).create(replicaSet(names[n % 2] ?? '', n % 5))),
  scale: ({ admin }, n) =>
    done(
      admin
        .of(replicaSets)
        .patch({ namespace, name: names[n % 2] ?? '' }, { spec: { replicas: n % 6 } }, { type: 'merge' }),
    ),
  orphan: ({ admin }, n) =>
    done(admin.of(replicaSets).delete({ namespace, name: names[n % 2] ?? '' }, { propagationPolicy: 'Background' })),
  holdSets: world => world.way.hold('replicasets'),
};

test(
  'a ReplicaSet reaches its size and rests, whatever happened',
  async () => {
    await provesRest({
      moves,
      open: async () => {
        const world = await World.open({
          controllers: [context => new ReplicaSetController(context, replicaSetKind)],
          accounts: ['replicaset-controller'],
          owners: [replicaSets],
        });
        await world.admin.of(replicaSets).create(replicaSet('a', 2));
        return world;
      },
      check: async world => {
        const { admin } = world;
        expect(foreignDeletions(world, 'ReplicaSet')).toEqual([]);
        expect(forbiddenCalls(world)).toEqual([]);
        const { items } = await admin.of(pods).list({ namespace, resourceVersion: '' });
        for (const set of (await admin.of(replicaSets).list({ namespace, resourceVersion: '' })).items.filter(
          s => !isDeleting(s),
        )) {
          const owned = items.filter(pod => isPodActive(pod) && isControlledBy(pod, set));
          expect(owned.length).toBe(set.spec?.replicas ?? 1);
          expect(set.status?.replicas).toBe(owned.length);
        }
      },
    });
  },
  PROPERTY_TIMEOUT_MS,
);

test(
  'a ReplicaSet never has more pods made than it was ever to have',
  async () => {
    let [world, most]: [World | undefined, number] = [undefined, 0];
    const tooMany: string[] = [];
    const scale: Moves[string] = ({ admin }, n) => {
      most = Math.max(most, n % 5);
      const body = { spec: { replicas: n % 5 } };
      return done(admin.of(replicaSets).patch({ namespace, name: 'a' }, body, { type: 'merge' }));
    };
    // What it takes: an answer gets lost while the informer is behind, and there is time to try again.
    const { holdPods, loseAnswer } = trouble;
    const { wait } = passing;
    const { podGone } = podMoves;
    await provesRest({
      moves: { scale, holdPods, loseAnswer, wait, podGone } as Moves,
      open: async () => {
        [most, tooMany.length] = [2, 0];
        world = await World.open({
          controllers: [context => new ReplicaSetController(context, replicaSetKind)],
          accounts: ['replicaset-controller'],
          owners: [replicaSets],
          answered: async ({ method, path }) => {
            if (method !== 'POST' || !path.endsWith('/pods') || world === undefined) return;
            const { items } = await world.admin.of(pods).list({ namespace, resourceVersion: '' });
            const made = items.filter(isPodActive).length;
            if (made > most + world.unheard) tooMany.push(`${made} pods of ${most}`);
          },
        });
        await world.admin.of(replicaSets).create(replicaSet('a', 2));
        return world;
      },
      check: () => Promise.resolve(expect(tooMany).toEqual([])),
    });
  },
  PROPERTY_TIMEOUT_MS,
);
