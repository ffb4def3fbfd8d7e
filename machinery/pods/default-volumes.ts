/**
 * Defaults of volumes. Source: Kubernetes `pkg/apis/core/v1/defaults.go`, 1.36.
 */
import type {
  DownwardAPIVolumeFile,
  PersistentVolumeClaimSpec,
  PersistentVolumeSpec,
  ProjectedVolumeSource,
  Volume,
} from '../../proto/api/core-v1.ts';
import { defaultPullPolicy } from './default-container.ts';

/** 0644, as JSON has it. */
const DEFAULT_MODE = 420;
const TOKEN_SECONDS = 3600;

/** Fills in each volume's source; a volume without any becomes an emptyDir. */
export function defaultVolumes(volumes: readonly Volume[] | undefined): void {
  for (const volume of volumes ?? []) defaultVolume(volume);
}

function defaultVolume(volume: Volume): void {
  if (Object.keys(volume).every(key => key === 'name' || volume[key as keyof Volume] === undefined))
    volume.emptyDir = {};
  if (volume.secret !== undefined) volume.secret.defaultMode ??= DEFAULT_MODE;
  if (volume.configMap !== undefined) volume.configMap.defaultMode ??= DEFAULT_MODE;
  if (volume.downwardAPI !== undefined) {
    volume.downwardAPI.defaultMode ??= DEFAULT_MODE;
    defaultFiles(volume.downwardAPI.items);
  }
  if (volume.projected !== undefined) defaultProjected(volume.projected);
  if (volume.hostPath !== undefined) volume.hostPath.type ??= '';
  if (volume.image !== undefined) volume.image.pullPolicy ||= defaultPullPolicy(volume.image.reference);
  const template = volume.ephemeral?.volumeClaimTemplate;
  if (template !== undefined) defaultClaimSpec(template.spec);
  defaultOldSources(volume);
}

function defaultProjected(projected: ProjectedVolumeSource): void {
  projected.defaultMode ??= DEFAULT_MODE;
  for (const source of projected.sources ?? []) {
    defaultFiles(source.downwardAPI?.items);
    if (source.serviceAccountToken !== undefined) source.serviceAccountToken.expirationSeconds ??= TOKEN_SECONDS;
    if (source.podCertificate !== undefined) source.podCertificate.maxExpirationSeconds ??= 86400;
  }
}

function defaultFiles(files: readonly DownwardAPIVolumeFile[] | undefined): void {
  for (const file of files ?? []) {
    if (file.fieldRef !== undefined) file.fieldRef.apiVersion ||= 'v1';
    if (file.resourceFieldRef !== undefined) file.resourceFieldRef.divisor ||= '0';
  }
}

/** Also of PersistentVolumeClaims themselves. */
export function defaultClaimSpec(spec: PersistentVolumeClaimSpec): void {
  spec.volumeMode ??= 'Filesystem';
}

/** Sources that are kept for the API's sake, of pods and of PersistentVolumes. */
export function defaultOldSources(
  volume: Pick<Volume | PersistentVolumeSpec, 'iscsi' | 'rbd' | 'azureDisk' | 'scaleIO'>,
): void {
  if (volume.iscsi !== undefined) volume.iscsi.iscsiInterface ||= 'default';
  if (volume.rbd !== undefined) {
    volume.rbd.pool ||= 'rbd';
    volume.rbd.user ||= 'admin';
    volume.rbd.keyring ||= '/etc/ceph/keyring';
  }
  if (volume.azureDisk !== undefined) {
    volume.azureDisk.cachingMode ??= 'ReadWrite';
    volume.azureDisk.kind ??= 'Shared';
    volume.azureDisk.fsType ??= 'ext4';
    volume.azureDisk.readOnly ??= false;
  }
  if (volume.scaleIO !== undefined) {
    volume.scaleIO.storageMode ||= 'ThinProvisioned';
    volume.scaleIO.fsType ||= 'xfs';
  }
}
