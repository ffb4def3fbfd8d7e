/**
 * New claims and persistent volumes are protected from the first moment: a finalizer keeps them while they are in use.
 * Source: kubernetes `plugin/pkg/admission/storage/storageobjectinuseprotection`, 1.36.
 */
import type { AdmissionPlugin } from './admission.ts';

const FINALIZERS: Readonly<Record<string, string>> = {
  persistentvolumes: 'kubernetes.io/pv-protection',
  persistentvolumeclaims: 'kubernetes.io/pvc-protection',
};

export const storageInUseProtection: AdmissionPlugin = {
  name: 'StorageObjectInUseProtection',
  handles: (operation, { storedInfo }, subresource) =>
    operation === 'CREATE' && storedInfo.group === '' && storedInfo.resource in FINALIZERS && subresource === '',
  admit({ object, resource }) {
    const finalizer = FINALIZERS[resource.storedInfo.resource];
    if (object === undefined || finalizer === undefined) return;
    const { finalizers = [] } = object.metadata;
    if (!finalizers.includes(finalizer)) object.metadata.finalizers = [...finalizers, finalizer];
  },
};
