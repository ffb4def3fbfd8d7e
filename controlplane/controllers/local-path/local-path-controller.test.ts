import { expect, test } from '@jest/globals';
import type { PersistentVolumeClaim } from '../../../proto/api/core-v1.ts';
import { nodes, persistentVolumeClaims, persistentVolumes } from '../../../machinery/client/resource.ts';
import { World } from '../testdata/world.ts';
import { LocalPathController } from './local-path-controller.ts';
import { PROVISIONER_FINALIZER } from './plan.ts';

const { namespace } = World;
const name = 'pvc-0a1b2c3d-0000-4000-8000-000000000001';
const claim: PersistentVolumeClaim = {
  metadata: { namespace, name: 'c' },
  spec: {
    volumeName: name,
    storageClassName: 'x',
    accessModes: ['ReadWriteOnce'],
    resources: { requests: { storage: '1Gi' } },
  },
};

test('a node is asked for nothing before the API says that the folder has to go', async () => {
  const world = await World.open({ controllers: [context => new LocalPathController(context)] });
  const { admin } = world;
  const setPolicy = (persistentVolumeReclaimPolicy: string): Promise<unknown> =>
    admin.of(persistentVolumes).patch({ name }, { spec: { persistentVolumeReclaimPolicy } }, { type: 'merge' });
  const asked = async (): Promise<string | undefined> =>
    (await admin.of(nodes).get({ name: 'n0' })).metadata.annotations?.['local-path.k8ts.io/remove'];
  try {
    const { metadata } = await admin.of(persistentVolumeClaims).create(claim);
    const matchFields = [{ key: 'metadata.name', operator: 'In', values: ['n0'] }];
    await admin.of(persistentVolumes).create({
      metadata: {
        name,
        annotations: { 'pv.kubernetes.io/provisioned-by': 'k8ts.io/local-path' },
        finalizers: [PROVISIONER_FINALIZER],
      },
      spec: {
        capacity: { storage: '1Gi' },
        accessModes: ['ReadWriteOnce'],
        persistentVolumeReclaimPolicy: 'Delete',
        storageClassName: 'x',
        local: { path: `/data/${name}` },
        nodeAffinity: { required: { nodeSelectorTerms: [{ matchFields }] } },
        claimRef: { kind: 'PersistentVolumeClaim', namespace, name: 'c', uid: metadata.uid },
      },
    });
    await admin.of(persistentVolumes).delete({ name });
    await world.quiet();
    // What follows the controller does not hear of: somebody thinks better of it.
    world.way.hold('persistentvolumes');
    await setPolicy('Retain');
    const ref = { namespace, name: 'c' };
    await admin.of(persistentVolumeClaims).patch(ref, { metadata: { finalizers: null } }, { type: 'merge' });
    await admin.of(persistentVolumeClaims).delete(ref);
    await world.quiet();
    expect(world.calls.map(({ path }) => path)).toContain(`/api/v1/persistentvolumes/${name}`);
    expect(world.calls.filter(({ method }) => method !== 'GET')).toEqual([]);
    expect(await asked()).toBeUndefined();
    await setPolicy('Delete');
    world.way.letGo();
    await world.quiet();
    expect(await asked()).toBe(name);
  } finally {
    await world.close();
  }
});
