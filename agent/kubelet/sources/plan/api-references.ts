/**
 * What of the API a pod cannot do without: a static pod may not need any, since it runs without.
 * Source: kubernetes 1.36 `pkg/api/pod`, HasAPIObjectReference: the words and their order.
 */
import type { PodSpec, Volume } from '../../../../proto/api/core-v1.ts';

/** The first kind of object that the pod refers to, as upstream says it; undefined when there is none. */
export function apiReference(spec: PodSpec): string | undefined {
  if ((spec.serviceAccountName ?? '') !== '') return 'serviceaccounts';
  if (refersBy(spec, 'secret') || (spec.imagePullSecrets ?? []).length > 0) return 'secrets';
  if (refersBy(spec, 'configMap')) return 'configmaps';
  if ((spec.resourceClaims ?? []).length > 0) return 'resourceclaims';
  for (const volume of spec.volumes ?? []) {
    const found = ofVolume(volume);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Whether the environment of a container comes from such an object. */
function refersBy(spec: PodSpec, kind: 'secret' | 'configMap'): boolean {
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  return containers.some(
    ({ env = [], envFrom = [] }) =>
      env.some(({ valueFrom }) => valueFrom?.[`${kind}KeyRef`] !== undefined) ||
      envFrom.some(source => source[`${kind}Ref`] !== undefined),
  );
}

function ofVolume(volume: Volume): string | undefined {
  if (volume.configMap !== undefined) return 'configmaps (via configmap volumes)';
  if (volume.secret !== undefined) return 'secrets (via secret volumes)';
  if (volume.csi !== undefined) return 'csidrivers (via CSI volumes)';
  if (volume.glusterfs !== undefined) return 'endpoints (via glusterFS volumes)';
  if (volume.persistentVolumeClaim !== undefined) return 'persistentvolumeclaims';
  if (volume.ephemeral !== undefined) return 'persistentvolumeclaims (via ephemeral volumes)';
  if (volume.azureFile !== undefined) return 'secrets (via azureFile volumes)';
  for (const source of volume.projected?.sources ?? []) {
    if (source.configMap !== undefined) return 'configmaps (via projected volumes)';
    if (source.secret !== undefined) return 'secrets (via projected volumes)';
    if (source.serviceAccountToken !== undefined) return 'serviceaccounts (via projected volumes)';
    if (source.clusterTrustBundle !== undefined) return 'clustertrustbundles';
    if (source.podCertificate !== undefined) return 'podcertificates';
  }
  return undefined;
}
