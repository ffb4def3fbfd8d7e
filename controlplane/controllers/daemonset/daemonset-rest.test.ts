/** Whatever happens, a DaemonSet has one pod on each node that it is for in the end, of the new template, and then nothing is called. */
import { expect, test } from '@jest/globals';
import type { DaemonSet } from '../../../proto/api/apps-v1.ts';
import type { Node } from '../../../proto/api/core-v1.ts';
import { daemonSets, nodes, pods } from '../../../machinery/client/resource.ts';
import { isControlledBy, isDeleting } from '../../../machinery/meta/object.ts';
import { REVISION_LABEL } from '../runtime/plan/revisions.ts';
import type { ControllerContext } from '../runtime/controller.ts';
import { isPodActive } from '../runtime/plan/pod-state.ts';
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
import { DaemonSetController } from './daemonset-controller.ts';
import { fitOf, podTemplateOf, targetNode } from './plan/nodes.ts';

const { namespace } = World;
const ref = { namespace, name: 'agent' };
const labels = { app: 'web' };
const nodeNames = ['n0', 'n1', 'n2'];
const strategies = [
  { type: 'OnDelete', rollingUpdate: null },
  { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
  { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: '50%' } },
  { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
  { type: 'RollingUpdate', rollingUpdate: { maxSurge: '100%', maxUnavailable: 0 } },
];
const effects = ['NoSchedule', 'NoExecute'];

const daemonSet = {
  metadata: ref,
  spec: {
    revisionHistoryLimit: 1,
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'x' }] } },
  },
} as DaemonSet;

const patch = ({ admin }: World, body: object): Promise<boolean> =>
  done(admin.of(daemonSets).patch(ref, body, { type: 'merge' }));
const patchNode = ({ admin }: World, n: number, body: object): Promise<boolean> =>
  done(admin.of(nodes).patch({ name: nodeNames[n % 3] ?? '' }, body, { type: 'merge' }));

const moves: Moves = {
  ...podMoves,
  image: (world, n) =>
    patch(world, { spec: { template: { spec: { containers: [{ name: 'c', image: 'xyz'[n % 3] }] } } } }),
  strategy: (world, n) => patch(world, { spec: { updateStrategy: strategies[n % 5] } }),
  minReady: (world, n) => patch(world, { spec: { minReadySeconds: n % 3 } }),
  selectNodes: (world, n) =>
    patch(world, { spec: { template: { spec: { nodeSelector: n % 2 === 0 ? null : { disk: 'fast' } } } } }),
  labelNode: (world, n) => patchNode(world, n, { metadata: { labels: { disk: n % 2 === 0 ? 'fast' : null } } }),
  taintNode: (world, n) =>
    patchNode(world, n, { spec: { taints: n % 4 < 2 ? [{ key: 'k', effect: effects[n % 2] }] : null } }),
  nodeGone: async ({ admin }, n) => {
    const name = nodeNames[n % 3] ?? '';
    await done(admin.of(nodes).delete({ name }));
    for (const pod of (await admin.of(pods).list({ namespace, resourceVersion: '' })).items)
      if (pod.spec.nodeName === name)
        await done(admin.of(pods).delete({ namespace, name: pod.metadata.name ?? '' }, { gracePeriodSeconds: 0 }));
  },
  nodeComes: ({ admin }, n) => done(admin.of(nodes).create({ metadata: { name: nodeNames[n % 3] ?? '' } } as Node)),
  madeAnew: async ({ admin }) => {
    await done(admin.of(daemonSets).delete(ref, { propagationPolicy: 'Orphan' }));
    await done(admin.of(daemonSets).patch(ref, { metadata: { finalizers: null } }, { type: 'merge' }));
    await done(admin.of(daemonSets).create(daemonSet));
  },
  holdSets: world => world.way.hold('daemonsets'),
  holdNodes: world => world.way.hold('nodes'),
  holdRevisions: world => world.way.hold('controllerrevisions'),
};

async function check(world: World): Promise<void> {
  const { admin } = world;
  expect(foreignDeletions(world, 'DaemonSet')).toEqual([]);
  expect(forbiddenCalls(world)).toEqual([]);
  const set = (await admin.of(daemonSets).list({ namespace, resourceVersion: '' })).items[0];
  if (set === undefined || isDeleting(set)) return;
  const fits = (await admin.of(nodes).list({ resourceVersion: '' })).items.map(node => ({
    name: node.metadata.name ?? '',
    ...fitOf(podTemplateOf(set), node),
  }));
  const owned = (await admin.of(pods).list({ namespace, resourceVersion: '' })).items.filter(pod =>
    isControlledBy(pod, set),
  );
  expect(set.status?.observedGeneration).toBe(set.metadata.generation);
  expect(set.status?.desiredNumberScheduled).toBe(fits.filter(({ shouldRun }) => shouldRun).length);
  // What nobody lets go blocks its node.
  if (owned.some(isDeleting)) return;
  for (const { name, shouldRun, shouldContinue } of fits) {
    const there = owned.filter(pod => isPodActive(pod) && targetNode(pod) === name);
    if (shouldRun) expect([name, there.length]).toEqual([name, 1]);
    else expect(there.length).toBeLessThanOrEqual(shouldContinue ? 1 : 0);
  }
  if (set.spec.updateStrategy?.type === 'OnDelete') return;
  expect(set.status?.updatedNumberScheduled ?? 0).toBe(set.status?.desiredNumberScheduled);
  expect(set.status?.numberAvailable ?? 0).toBe(set.status?.desiredNumberScheduled);
  const running = owned.filter(pod => fits.some(({ name, shouldRun }) => shouldRun && name === targetNode(pod)));
  expect(new Set(running.map(pod => pod.metadata.labels?.[REVISION_LABEL])).size).toBeLessThanOrEqual(1);
}

test(
  'a DaemonSet reaches its nodes and rests, whatever happened',
  () =>
    provesRest({
      moves,
      check,
      open: async () => {
        const controllers = [(context: ControllerContext) => new DaemonSetController(context)];
        const world = await World.open({
          controllers,
          accounts: ['daemon-set-controller'],
          owners: [daemonSets],
          nodeNames,
        });
        await world.admin.of(daemonSets).create(daemonSet);
        return world;
      },
    }),
  PROPERTY_TIMEOUT_MS,
);
