/**
 * Whatever happens to claims, volumes, pods and nodes, and to the controllers that look after them: a claim has one volume and a volume one
 * claim, nobody loses data that he has a right to, no folder is left behind, and in the end nothing is called.
 */
import { expect, test } from '@jest/globals';
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod } from '../../../proto/api/core-v1.ts';
import {
  nodes,
  persistentVolumeClaims,
  persistentVolumes,
  pods,
  storageClasses,
} from '../../../machinery/client/resource.ts';
import { forbiddenCalls, PROPERTY_TIMEOUT_MS, provesRest, type Moves } from '../testdata/histories.ts';
import { done } from '../testdata/pretend-nodes.ts';
import { World } from '../testdata/world.ts';
import { VolumeBinderController } from '../volume-binder/volume-binder-controller.ts';
import { VolumeExpandController } from '../volume-expand/volume-expand-controller.ts';
import { ClaimProtectionController } from '../volume-protection/claim-protection-controller.ts';
import { VolumeProtectionController } from '../volume-protection/volume-protection-controller.ts';
import { LocalPathController } from './local-path-controller.ts';
import { isLocalPathVolumeName } from '../../../machinery/meta/local-path.ts';
import { ChooseNodes } from './testdata/choose-nodes.ts';
import { PretendDisks } from './testdata/pretend-disks.ts';

const { namespace } = World;
const LOCAL = 'local-path';
let disks = new PretendDisks();
/** Nodes that went, with whatever lay on them. */
let goneNodes = new Set<string>();

async function open(): Promise<World> {
  disks = new PretendDisks();
  goneNodes = new Set();
  const world = await World.open({
    controllers: [
      context => new VolumeBinderController(context),
      context => new ClaimProtectionController(context),
      context => new VolumeProtectionController(context),
      context => new LocalPathController(context),
      context => new VolumeExpandController(context),
      disks.create,
      context => new ChooseNodes(context, [LOCAL]),
    ],
    accounts: [
      'persistent-volume-binder',
      'pvc-protection-controller',
      'pv-protection-controller',
      'local-path-provisioner',
      'expand-controller',
    ],
  });
  await world.admin.of(storageClasses).create({
    metadata: { name: LOCAL },
    provisioner: 'k8ts.io/local-path',
    volumeBindingMode: 'WaitForFirstConsumer',
    allowVolumeExpansion: true,
  });
  return world;
}

const ref = (n: number): { namespace: string; name: string } => ({ namespace, name: `c${n % 3}` });
const size = (n: number): string => `${1 + (n % 3)}Gi`;

function claim(n: number, storageClassName: string | undefined): PersistentVolumeClaim {
  return {
    metadata: ref(n),
    spec: { accessModes: ['ReadWriteOnce'], storageClassName, resources: { requests: { storage: size(n >> 2) } } },
  };
}

function volume(n: number, more: Partial<PersistentVolume['spec']> = {}): PersistentVolume {
  return {
    metadata: { name: `v${n % 3}` },
    spec: {
      capacity: { storage: size(n >> 2) },
      accessModes: ['ReadWriteOnce'],
      persistentVolumeReclaimPolicy: n % 2 === 0 ? 'Retain' : 'Delete',
      storageClassName: 'by-hand',
      hostPath: { path: '/nowhere' },
      ...more,
    },
  };
}

const pick = async (world: World, n: number): Promise<string | undefined> => {
  const { items } = await world.admin.of(persistentVolumes).list({ resourceVersion: '' });
  return items[n % Math.max(1, items.length)]?.metadata.name;
};

const patchVolume = async (world: World, n: number, patch: object): Promise<void> => {
  const name = await pick(world, n);
  if (name !== undefined) await done(world.admin.of(persistentVolumes).patch({ name }, patch, { type: 'merge' }));
};

const moves: Moves = {
  localClaim: ({ admin }, n) => done(admin.of(persistentVolumeClaims).create(claim(n, LOCAL))),
  claimByHand: ({ admin }, n) => done(admin.of(persistentVolumeClaims).create(claim(n, 'by-hand'))),
  claimByName: ({ admin }, n) => {
    const { metadata, spec } = claim(n, 'by-hand');
    return done(admin.of(persistentVolumeClaims).create({ metadata, spec: { ...spec, volumeName: `v${n % 2}` } }));
  },
  claimOfNoClass: ({ admin }, n) => done(admin.of(persistentVolumeClaims).create(claim(n, undefined))),
  claimDeleted: ({ admin }, n) => done(admin.of(persistentVolumeClaims).delete(ref(n))),
  claimGrows: ({ admin }, n) => {
    const spec = { resources: { requests: { storage: size(n >> 2) } } };
    return done(admin.of(persistentVolumeClaims).patch(ref(n), { spec }, { type: 'merge' }));
  },
  volumeByHand: ({ admin }, n) => done(admin.of(persistentVolumes).create(volume(n))),
  volumeForClaim: ({ admin }, n) =>
    done(
      admin.of(persistentVolumes).create(volume(n, { claimRef: { ...ref(n >> 2), kind: 'PersistentVolumeClaim' } })),
    ),
  volumeDeleted: async (world, n) => {
    const name = await pick(world, n);
    if (name !== undefined) await done(world.admin.of(persistentVolumes).delete({ name }));
  },
  volumeGivenAway: (world, n) => patchVolume(world, n, { spec: { claimRef: null } }),
  policy: (world, n) =>
    patchVolume(world, n, { spec: { persistentVolumeReclaimPolicy: n % 2 === 0 ? 'Retain' : 'Delete' } }),
  user: ({ admin }, n) => {
    const volumes = [{ name: 'v', persistentVolumeClaim: { claimName: ref(n).name } }];
    const spec = { nodeName: `n${n % 2}`, containers: [{ name: 'c', image: 'x' }], volumes };
    return done(admin.of(pods).create({ metadata: { namespace, name: `p${n % 3}` }, spec } as Pod));
  },
  userGone: ({ admin }, n) => done(admin.of(pods).delete({ namespace, name: `p${n % 3}` })),
  defaultClass: ({ admin }, n) => {
    const annotations = { 'storageclass.kubernetes.io/is-default-class': String(n % 2 === 0) };
    return done(admin.of(storageClasses).patch({ name: LOCAL }, { metadata: { annotations } }, { type: 'merge' }));
  },
  nodeGone: async ({ admin }, n) => {
    goneNodes.add(`n${n % 2}`);
    await done(admin.of(nodes).delete({ name: `n${n % 2}` }));
  },
  nodeBack: ({ admin }, n) => done(admin.of(nodes).create({ metadata: { name: `n${n % 2}` } } as Node)),
  holdClaims: world => world.way.hold('persistentvolumeclaims'),
  holdVolumes: world => world.way.hold('persistentvolumes'),
};

async function check(world: World): Promise<void> {
  expect(forbiddenCalls(world)).toEqual([]);
  expect(disks.lost).toEqual([]);
  const { items: claims } = await world.admin.of(persistentVolumeClaims).list({ resourceVersion: '' });
  const { items: volumes } = await world.admin.of(persistentVolumes).list({ resourceVersion: '' });
  const byName = new Map(volumes.map(each => [each.metadata.name, each]));
  const bound = claims.filter(({ status }) => status?.phase === 'Bound');
  for (const { metadata, spec } of bound) expect(byName.get(spec.volumeName)?.spec.claimRef?.uid).toBe(metadata.uid);
  expect(new Set(bound.map(({ spec }) => spec.volumeName)).size).toBe(bound.length);
  for (const { status, spec } of volumes.filter(each => each.status?.phase === 'Bound'))
    expect([status?.phase, claims.some(each => each.metadata.uid === spec.claimRef?.uid)]).toEqual(['Bound', true]);
  const known = (name: string): boolean => byName.has(name) || !isLocalPathVolumeName(name);
  for (const [node, folders] of disks.folders)
    if (!goneNodes.has(node)) expect([...folders].filter(name => !known(name))).toEqual([]);
}

test(
  'claims, volumes and folders come to rest, each with what is its own',
  () => provesRest({ open, moves, check, length: 18 }),
  PROPERTY_TIMEOUT_MS,
);
