/**
 * The rules of each kind of volume that a PersistentVolume may be. Most of them are long gone from Kubernetes itself; their fields are
 * still what upstream accepts. Source: Kubernetes `pkg/apis/core/validation` (persistent volume sources), 1.36.
 */
import { invalidError, requiredError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { dns1123Label, dns1123Subdomain } from '../../../../machinery/meta/names.ts';
import type {
  CSIPersistentVolumeSource,
  PersistentVolumeSource,
  SecretReference,
  StorageOSPersistentVolumeSource,
} from '../../../../proto/api/core-v1.ts';
import { checkNoBacksteps } from '../../../../machinery/pods/validate-paths.ts';
import { checkOptional, checkRequired, checkShape, isBlank } from '../../../../machinery/validation/checks.ts';
import { checkDriverName } from '../validation/csi-driver-name.ts';
import {
  checkAzureDisk,
  checkFibreChannel,
  checkFlocker,
  checkHostPath,
  checkPartition,
  checkQuobyte,
} from '../../../../machinery/validation/volume-sources.ts';
import { checkIscsi } from './iscsi-volume.ts';

/** In the order in which upstream looks at them: of several, the first counts. */
export const VOLUME_SOURCES = [
  'hostPath',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'glusterfs',
  'flocker',
  'nfs',
  'rbd',
  'quobyte',
  'cephfs',
  'iscsi',
  'cinder',
  'fc',
  'flexVolume',
  'azureFile',
  'vsphereVolume',
  'photonPersistentDisk',
  'portworxVolume',
  'azureDisk',
  'scaleIO',
  'local',
  'storageos',
  'csi',
] as const satisfies readonly (keyof PersistentVolumeSource)[];

type SourceName = (typeof VOLUME_SOURCES)[number];
type Rule<T> = (errors: FieldError[], path: FieldPath, source: T, volumeName: string) => void;
type Rules = { readonly [K in SourceName]: Rule<NonNullable<PersistentVolumeSource[K]>> };

/** Checks `source`, which is set. */
export function checkPersistentVolumeSource<K extends SourceName>(
  errors: FieldError[],
  path: FieldPath,
  name: K,
  source: NonNullable<PersistentVolumeSource[K]>,
  volumeName: string,
): void {
  (rules[name] as Rule<NonNullable<PersistentVolumeSource[K]>>)(errors, path, source, volumeName);
}

/** Fields that must not be empty, and nothing else. */
function required<T extends object>(...fields: readonly (keyof T & string)[]): Rule<T> {
  return (errors, path, source) => {
    for (const field of fields) {
      const value: unknown = source[field];
      if (value === undefined || value === '' || (Array.isArray(value) && value.length === 0))
        errors.push(requiredError(path.child(field)));
    }
  };
}

function partitioned<T extends { partition?: number | undefined }>(rule: Rule<T>): Rule<T> {
  return (errors, path, source, volumeName) => {
    rule(errors, path, source, volumeName);
    checkPartition(errors, path, source.partition);
  };
}

const rules: Rules = {
  hostPath: checkHostPath,
  gcePersistentDisk: partitioned(required('pdName')),
  awsElasticBlockStore: partitioned(required('volumeID')),
  glusterfs(errors, path, source) {
    for (const field of ['endpoints', 'path'] as const) checkRequired(errors, path.child(field), source[field]);
    const namespace = source.endpointsNamespace;
    const at = path.child('endpointsNamespace');
    if (namespace === '')
      errors.push(invalidError(at, '', 'if the endpointnamespace is set, it must be a valid namespace name'));
    else if (namespace !== undefined) checkShape(errors, at, namespace, dns1123Label);
  },
  flocker: checkFlocker,
  nfs(errors, path, { server, path: place = '' }) {
    checkRequired(errors, path.child('server'), server);
    checkRequired(errors, path.child('path'), place);
    if (!place.startsWith('/')) errors.push(invalidError(path.child('path'), place, 'must be an absolute path'));
  },
  rbd: required('monitors', 'image'),
  quobyte: checkQuobyte,
  cephfs: required('monitors'),
  iscsi: checkIscsi,
  cinder(errors, path, { volumeID, secretRef }) {
    checkRequired(errors, path.child('volumeID'), volumeID);
    checkNamed(errors, path.child('secretRef'), secretRef);
  },
  fc: checkFibreChannel,
  flexVolume: required('driver'),
  azureFile(errors, path, { secretName, shareName, secretNamespace }) {
    checkRequired(errors, path.child('secretName'), secretName);
    checkRequired(errors, path.child('shareName'), shareName);
    if (secretNamespace === '') errors.push(requiredError(path.child('secretNamespace')));
  },
  vsphereVolume: required('volumePath'),
  photonPersistentDisk: required('pdID'),
  portworxVolume: required('volumeID'),
  azureDisk: checkAzureDisk,
  scaleIO: required('gateway', 'system', 'volumeName'),
  local(errors, path, { path: place }) {
    if (isBlank(place)) errors.push(requiredError(path.child('path')));
    else checkNoBacksteps(errors, path.child('path'), place);
  },
  storageos: checkStorageOs,
  csi: checkCsi,
};

function checkNamed(errors: FieldError[], path: FieldPath, ref: SecretReference | undefined): void {
  if (ref === undefined) return;
  checkRequired(errors, path.child('name'), ref.name);
  checkRequired(errors, path.child('namespace'), ref.namespace);
}

function checkStorageOs(errors: FieldError[], path: FieldPath, source: StorageOSPersistentVolumeSource): void {
  checkRequired(errors, path.child('volumeName'), source.volumeName, dns1123Label);
  checkOptional(errors, path.child('volumeNamespace'), source.volumeNamespace, dns1123Label);
  const { secretRef } = source;
  if (secretRef !== undefined) {
    checkRequired(errors, path.child('secretRef', 'name'), secretRef.name);
    checkRequired(errors, path.child('secretRef', 'namespace'), secretRef.namespace);
  }
}

function checkCsi(errors: FieldError[], path: FieldPath, source: CSIPersistentVolumeSource): void {
  checkDriverName(errors, path.child('driver'), source.driver);
  checkRequired(errors, path.child('volumeHandle'), source.volumeHandle);
  const refs = [
    'controllerPublishSecretRef',
    'controllerExpandSecretRef',
    'nodePublishSecretRef',
    'nodeExpandSecretRef',
  ] as const;
  for (const field of refs) {
    const ref = source[field];
    if (ref === undefined) continue;
    checkRequired(errors, path.child(field, 'name'), ref.name, dns1123Subdomain);
    checkRequired(errors, path.child(field, 'namespace'), ref.namespace, dns1123Label);
  }
}
