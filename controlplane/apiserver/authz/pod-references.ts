/**
 * Which secrets, config maps, claims and accounts a pod needs. Pure. Source: kubernetes `pkg/api/v1/pod` (VisitPodSecretNames, ...).
 */
import type { Container, PersistentVolume, Pod, SecretReference, Volume } from '../../../proto/api/core-v1.ts';

/** Whether the spec of `pod` names the object `name` of `resource` in its own namespace. */
export function podReferences(pod: Pod, resource: string, name: string): boolean {
  const { spec } = pod;
  if (spec === undefined) return false;
  switch (resource) {
    case 'serviceaccounts':
      return spec.serviceAccountName === name;
    case 'secrets':
      return (
        (spec.imagePullSecrets ?? []).some(s => s.name === name) ||
        (spec.volumes ?? []).some(v => volumeSecret(v, name)) ||
        containersOf(pod).some(c => envNames(c, 'secret', name))
      );
    case 'configmaps':
      return (
        (spec.volumes ?? []).some(
          v => v.configMap?.name === name || (v.projected?.sources ?? []).some(s => s.configMap?.name === name),
        ) || containersOf(pod).some(c => envNames(c, 'configMap', name))
      );
    case 'persistentvolumeclaims':
      return (spec.volumes ?? []).some(
        v =>
          v.persistentVolumeClaim?.claimName === name ||
          (v.ephemeral !== undefined && `${pod.metadata.name}-${v.name}` === name),
      );
    default:
      return false;
  }
}

/** Secrets that nodes need for a persistent volume. Source: kubernetes `pkg/api/v1/persistentvolume`, VisitPVSecretNames. */
export function volumeSecrets({ spec }: PersistentVolume): SecretReference[] {
  const refs = [
    spec?.csi?.nodeStageSecretRef,
    spec?.csi?.nodePublishSecretRef,
    spec?.csi?.nodeExpandSecretRef,
    spec?.csi?.controllerPublishSecretRef,
    spec?.csi?.controllerExpandSecretRef,
    spec?.cephfs?.secretRef,
    spec?.flexVolume?.secretRef,
    spec?.rbd?.secretRef,
    spec?.scaleIO?.secretRef,
    spec?.iscsi?.secretRef,
  ];
  return refs.filter(ref => ref !== undefined);
}

function containersOf(pod: Pod): Container[] {
  const { containers = [], initContainers = [], ephemeralContainers = [] } = pod.spec ?? {};
  return [...containers, ...initContainers, ...(ephemeralContainers as Container[])];
}

function envNames(container: Container, kind: 'secret' | 'configMap', name: string): boolean {
  const from = (container.envFrom ?? []).some(e => (kind === 'secret' ? e.secretRef : e.configMapRef)?.name === name);
  return (
    from ||
    (container.env ?? []).some(
      e => (kind === 'secret' ? e.valueFrom?.secretKeyRef : e.valueFrom?.configMapKeyRef)?.name === name,
    )
  );
}

function volumeSecret(volume: Volume, name: string): boolean {
  if (volume.secret?.secretName === name) return true;
  if ((volume.projected?.sources ?? []).some(s => s.secret?.name === name)) return true;
  const refs = [
    volume.csi?.nodePublishSecretRef,
    volume.flexVolume?.secretRef,
    volume.cephfs?.secretRef,
    volume.rbd?.secretRef,
    volume.iscsi?.secretRef,
    volume.scaleIO?.secretRef,
    volume.storageos?.secretRef,
  ];
  return refs.some(ref => ref?.name === name) || volume.azureFile?.secretName === name;
}
