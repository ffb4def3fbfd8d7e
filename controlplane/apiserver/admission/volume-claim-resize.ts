/** A claim may grow only if it is bound, and its StorageClass lets volumes grow. Source: kubernetes `plugin/pkg/admission/storage/persistentvolume/resize`, 1.36. */
import { absent } from '../../../machinery/meta/status-error-from.ts';
import { tryParseQuantity, Quantity } from '../../../machinery/meta/quantity.ts';
import { forbidden } from '../../../machinery/meta/status-error.ts';
import type { PersistentVolumeClaim } from '../../../proto/api/core-v1.ts';
import type { StorageClass } from '../../../proto/api/storage-v1.ts';
import { groupResource } from '../registry/served-resource.ts';
import type { ResourceStorage } from '../storage/storage.ts';
import type { AdmissionPlugin } from './admission.ts';

const OLD_CLASS = 'volume.beta.kubernetes.io/storage-class';

export function volumeClaimResize(classes: ResourceStorage<StorageClass>): AdmissionPlugin {
  return {
    name: 'PersistentVolumeClaimResize',
    handles: (operation, { storedInfo }, subresource) =>
      operation === 'UPDATE' &&
      storedInfo.group === '' &&
      storedInfo.resource === 'persistentvolumeclaims' &&
      subresource === '',
    async validate({ object, older, resource, name }) {
      const [claim, was] = [object as PersistentVolumeClaim, older as PersistentVolumeClaim];
      if (sizeOf(claim).compare(sizeOf(was)) <= 0) return;
      const refuse = (why: string): Error => forbidden(groupResource(resource.info), name, why);
      if (was.status?.phase !== 'Bound') throw refuse('Only bound persistent volume claims can be expanded');
      const wanted = classOf(claim);
      const found =
        wanted === '' || wanted !== classOf(was)
          ? undefined
          : (classes.peek('', wanted) ?? (await classes.get('', wanted).catch(absent)));
      if (found?.object.allowVolumeExpansion === true) return;
      throw refuse(
        'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
      );
    },
  };
}

function sizeOf({ spec }: PersistentVolumeClaim): Quantity {
  return tryParseQuantity(String(spec.resources?.requests?.['storage'] ?? '0')) ?? Quantity.zero;
}

function classOf({ metadata, spec }: PersistentVolumeClaim): string {
  return metadata.annotations?.[OLD_CLASS] ?? spec.storageClassName ?? '';
}
