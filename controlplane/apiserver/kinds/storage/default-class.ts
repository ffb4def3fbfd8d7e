/** Which StorageClass claims without one get. Source: Kubernetes `pkg/volume/util/storageclass.go`, 1.36. */
import type { StorageClass } from '../../../../proto/api/storage-v1.ts';

const ANNOTATIONS = ['storageclass.kubernetes.io/is-default-class', 'storageclass.beta.kubernetes.io/is-default-class'];

export function isDefaultClass({ metadata }: StorageClass): boolean {
  return ANNOTATIONS.some(name => metadata.annotations?.[name] === 'true');
}
