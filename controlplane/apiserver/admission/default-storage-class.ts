/** A claim that names no StorageClass gets the default one, where there is one. Source: kubernetes `plugin/pkg/admission/storage/storageclass/setdefault`, 1.36. */
import type { PersistentVolumeClaim } from '../../../proto/api/core-v1.ts';
import type { StorageClass } from '../../../proto/api/storage-v1.ts';
import { isDefaultClass } from '../../../machinery/meta/default-storage-class.ts';
import type { ResourceStorage } from '../storage/storage.ts';
import type { AdmissionPlugin } from './admission.ts';
import { newestDefault } from './newest-default.ts';

const OLD_CLASS = 'volume.beta.kubernetes.io/storage-class';

export function defaultStorageClass(classes: ResourceStorage<StorageClass>): AdmissionPlugin {
  return {
    name: 'DefaultStorageClass',
    handles: (operation, { storedInfo }, subresource) =>
      operation === 'CREATE' &&
      storedInfo.group === '' &&
      storedInfo.resource === 'persistentvolumeclaims' &&
      subresource === '',
    async admit({ object }) {
      const { metadata, spec } = object as PersistentVolumeClaim;
      // An empty name is a choice as well: a volume without a class.
      if (spec.storageClassName !== undefined || metadata.annotations?.[OLD_CLASS] !== undefined) return;
      const name = await newestDefault(classes, isDefaultClass);
      if (name !== undefined) spec.storageClassName = name;
    },
  };
}
