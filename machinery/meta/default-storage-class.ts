/** Which StorageClass claims without one get. Source: Kubernetes `pkg/volume/util/storageclass.go`, 1.36. */
import type { StorageClass } from '../../proto/api/storage-v1.ts';

const ANNOTATIONS = ['storageclass.kubernetes.io/is-default-class', 'storageclass.beta.kubernetes.io/is-default-class'];

export function isDefaultClass({ metadata }: StorageClass): boolean {
  return ANNOTATIONS.some(name => metadata.annotations?.[name] === 'true');
}

/** Of several the one that was made last, among equals the first by name. */
export function defaultStorageClass(classes: readonly StorageClass[]): StorageClass | undefined {
  const madeMs = ({ metadata }: StorageClass): number => Date.parse(metadata.creationTimestamp ?? '') || 0;
  return classes
    .filter(isDefaultClass)
    .sort((a, b) => madeMs(b) - madeMs(a) || ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1))[0];
}
