/** Whatever happens, a PodDisruptionBudget says what may go in the end, and then nothing is called. */
import { expect, test } from '@jest/globals';
import type { PodDisruptionBudget } from '../../../proto/api/policy-v1.ts';
import type { ReplicaSet } from '../../../proto/api/apps-v1.ts';
import { podDisruptionBudgets, pods, replicaSets } from '../../../machinery/client/resource.ts';
import { controllerOf } from '../../../machinery/meta/object.ts';
import { replicaSetKind } from '../replicaset/replica-kind.ts';
import { ReplicaSetController } from '../replicaset/replicaset-controller.ts';
import { isPodActive, isPodReady } from '../runtime/plan/pod-state.ts';
import { podMoves, PROPERTY_TIMEOUT_MS, provesRest, type Moves } from '../testdata/histories.ts';
import { done } from '../testdata/pretend-nodes.ts';
import { World } from '../testdata/world.ts';
import { DisruptionController } from './disruption-controller.ts';

const { namespace } = World;
const ref = { namespace, name: 'web' };
const labels = { app: 'web' };
const specs = [{ minAvailable: 1 }, { minAvailable: '50%' }, { maxUnavailable: 1 }, { maxUnavailable: '34%' }];

function budget(n: number): PodDisruptionBudget {
  return { metadata: ref, spec: { selector: { matchLabels: labels }, ...specs[n % specs.length] } };
}

const moves: Moves = {
  ...podMoves,
  made: ({ admin }, n) => done(admin.of(podDisruptionBudgets).create(budget(n))),
  removed: ({ admin }) => done(admin.of(podDisruptionBudgets).delete(ref)),
  scale: ({ admin }, n) => done(admin.of(replicaSets).patch(ref, { spec: { replicas: n % 6 } }, { type: 'merge' })),
  // The eviction is allowed and noted; the pod goes with it.
  evict: async ({ admin }, n) => {
    const { items } = await admin.of(pods).list({ namespace, resourceVersion: '' });
    const { name = '' } = items[n % Math.max(1, items.length)]?.metadata ?? {};
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { namespace, name } };
    await admin
      .of(pods)
      .createSubresource({ namespace, name }, 'eviction', eviction)
      .catch(() => undefined);
  },
  holdBudgets: world => world.way.hold('poddisruptionbudgets'),
};

async function check({ admin }: World): Promise<void> {
  const all = (await admin.of(pods).list({ namespace, labelSelector: 'app=web', resourceVersion: '' })).items;
  const set = await admin.of(replicaSets).get(ref);
  const healthy = all.filter(pod => isPodActive(pod) && isPodReady(pod)).length;
  for (const { spec, status } of (await admin.of(podDisruptionBudgets).list({ resourceVersion: '' })).items) {
    const hasOther = all.some(pod => controllerOf(pod)?.kind === 'Other');
    const owned = all.some(pod => controllerOf(pod)?.uid === set.metadata.uid);
    const scale = owned ? (set.spec?.replicas ?? 1) : 0;
    const part = (share: number): number => Math.ceil(scale * share);
    const desired = {
      '1': 1,
      '50%': part(0.5),
      'max 1': Math.max(0, scale - 1),
      'max 34%': Math.max(0, scale - part(0.34)),
    }[spec.minAvailable === undefined ? `max ${spec.maxUnavailable}` : `${spec.minAvailable}`];
    const asksScale = spec.minAvailable !== 1;
    if (hasOther && asksScale) expect(status?.disruptionsAllowed ?? 0).toBe(0);
    else expect(status).toMatchObject({ currentHealthy: healthy, desiredHealthy: desired });
  }
}

test(
  'a PodDisruptionBudget tells what may go and rests, whatever happened',
  async () => {
    await provesRest({
      moves,
      open: async () => {
        const world = await World.open({
          controllers: [
            context => new DisruptionController(context),
            context => new ReplicaSetController(context, replicaSetKind),
          ],
          owners: [replicaSets],
        });
        const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'x' }] } };
        const spec = { replicas: 3, selector: { matchLabels: labels }, template };
        await world.admin.of(replicaSets).create({ metadata: ref, spec } as ReplicaSet);
        await world.admin.of(podDisruptionBudgets).create(budget(0));
        return world;
      },
      check,
      runs: 2,
    });
  },
  PROPERTY_TIMEOUT_MS,
);
