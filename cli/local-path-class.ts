/**
 * The StorageClass of the default provisioner. It is made once: whoever changes or deletes it means it, and a ConfigMap remembers that it has
 * been there.
 */
import type { Client } from '../machinery/client/client.ts';
import { configMaps, storageClasses } from '../machinery/client/resource.ts';
import { isDefaultClass } from '../machinery/meta/default-storage-class.ts';
import { LOCAL_PATH_PROVISIONER } from '../machinery/meta/local-path.ts';
import { hasReason, isNotFound } from '../machinery/meta/status-error-from.ts';

const NAME = 'local-path';
const MEMORY = { namespace: 'kube-system', name: 'k8ts-local-path' };

export async function publishLocalPathClass(client: Client): Promise<void> {
  if (await isRemembered(client)) return;
  const { items } = await client.of(storageClasses).list();
  // A cluster that was made before this class has perhaps chosen another.
  const isDefault = { 'storageclass.kubernetes.io/is-default-class': String(!items.some(isDefaultClass)) };
  await unlessThere(
    client.of(storageClasses).create({
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name: NAME, annotations: isDefault },
      provisioner: LOCAL_PATH_PROVISIONER,
      reclaimPolicy: 'Delete',
      volumeBindingMode: 'WaitForFirstConsumer',
    }),
  );
  const data = {
    storageClass: `StorageClass ${NAME} was made once and is yours from then on; delete this ConfigMap to have it made again at the next start`,
  };
  await unlessThere(client.of(configMaps).create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: MEMORY, data }));
}

async function isRemembered(client: Client): Promise<boolean> {
  try {
    await client.of(configMaps).get(MEMORY);
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

/** Another control plane may be as far. */
async function unlessThere(creation: Promise<unknown>): Promise<void> {
  try {
    await creation;
  } catch (error) {
    if (!hasReason(error, 'AlreadyExists')) throw error;
  }
}
