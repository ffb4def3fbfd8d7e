/**
 * Rules of the volume sources that consist of plain fields: those of hosts, networks and clouds.
 * Source: Kubernetes `pkg/apis/core/validation` (volume sources), 1.36.
 */
import { invalidError, requiredError, tooLongError, type FieldError } from '../meta/field-error.ts';
import type { FieldPath } from '../meta/field-path.ts';
import { dns1123Label, dns1123Subdomain } from '../meta/names.ts';
import { inRange } from '../meta/value-shapes.ts';
import type { Volume } from '../../proto/api/core-v1.ts';
import { checkOptional, checkRequired, checkShape, isBlank } from '../validation/checks.ts';
import {
  checkAzureDisk,
  checkFibreChannel,
  checkFlocker,
  checkHostPath,
  checkPartition,
  checkQuobyte,
} from '../validation/volume-sources.ts';
import { checkDescendingPath } from './validate-paths.ts';

/** In upstream's order: of several sources the first is taken. */
export const VOLUME_SOURCES = [
  'emptyDir',
  'hostPath',
  'gitRepo',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'secret',
  'nfs',
  'iscsi',
  'glusterfs',
  'flocker',
  'persistentVolumeClaim',
  'rbd',
  'cinder',
  'cephfs',
  'quobyte',
  'downwardAPI',
  'fc',
  'flexVolume',
  'configMap',
  'azureFile',
  'vsphereVolume',
  'photonPersistentDisk',
  'portworxVolume',
  'azureDisk',
  'storageos',
  'projected',
  'scaleIO',
  'csi',
  'ephemeral',
  'image',
] as const;
export type VolumeSourceName = (typeof VOLUME_SOURCES)[number];

/** Fields that must not be empty. */
const REQUIRED: Readonly<Partial<Record<VolumeSourceName, readonly string[]>>> = {
  gitRepo: ['repository'],
  gcePersistentDisk: ['pdName'],
  awsElasticBlockStore: ['volumeID'],
  nfs: ['server', 'path'],
  iscsi: ['targetPortal', 'iqn'],
  glusterfs: ['endpoints', 'path'],
  persistentVolumeClaim: ['claimName'],
  rbd: ['monitors', 'image'],
  cinder: ['volumeID'],
  cephfs: ['monitors'],
  flexVolume: ['driver'],
  azureFile: ['secretName', 'shareName'],
  vsphereVolume: ['volumePath'],
  photonPersistentDisk: ['pdID'],
  portworxVolume: ['volumeID'],
  storageos: ['volumeName'],
  scaleIO: ['gateway', 'system', 'volumeName'],
};

/** @param path of the source */
export function checkVolumeFields(
  errors: FieldError[],
  path: FieldPath,
  source: VolumeSourceName,
  volume: Volume,
): void {
  const values = volume[source] as unknown as Record<string, unknown>;
  // Upstream calls this one source by another name than its field's.
  const at = source === 'gcePersistentDisk' ? pathOfDisk(path) : path;
  for (const name of REQUIRED[source] ?? []) {
    const value = values[name];
    if (value === undefined || value === '' || (Array.isArray(value) && value.length === 0))
      errors.push(requiredError(at.child(name)));
  }
  RULES[source]?.(errors, at, volume);
}

type Rule = (errors: FieldError[], path: FieldPath, volume: Volume) => void;

/** A rule that PersistentVolumes have too. */
function sharedRule<K extends VolumeSourceName>(
  name: K,
  check: (errors: FieldError[], path: FieldPath, source: NonNullable<Volume[K]>) => void,
): Rule {
  return (errors, path, volume) => {
    const source = volume[name];
    if (source !== undefined) check(errors, path, source);
  };
}

const RULES: Readonly<Partial<Record<VolumeSourceName, Rule>>> = {
  hostPath: sharedRule('hostPath', checkHostPath),
  gitRepo(errors, path, { gitRepo }) {
    checkDescendingPath(errors, path.child('directory'), gitRepo?.directory ?? '');
  },
  gcePersistentDisk: (errors, path, { gcePersistentDisk }) =>
    checkPartition(errors, path, gcePersistentDisk?.partition),
  awsElasticBlockStore: (errors, path, { awsElasticBlockStore }) =>
    checkPartition(errors, path, awsElasticBlockStore?.partition),
  nfs(errors, path, { nfs }) {
    const folder = nfs?.path ?? '';
    if (!folder.startsWith('/')) errors.push(invalidError(path.child('path'), folder, 'must be an absolute path'));
  },
  iscsi: checkIscsi,
  flocker: sharedRule('flocker', checkFlocker),
  cinder: (errors, path, { cinder }) => checkSecretRef(errors, path, cinder?.secretRef),
  quobyte: sharedRule('quobyte', checkQuobyte),
  fc: sharedRule('fc', checkFibreChannel),
  flexVolume(errors, path, { flexVolume }) {
    for (const key of Object.keys(flexVolume?.options ?? {})) {
      const domain = `.${(key.includes('/') ? (key.split('/', 1)[0] ?? '') : key).toLowerCase()}`;
      if (!domain.endsWith('.kubernetes.io') && !domain.endsWith('.k8s.io')) continue;
      const why = 'kubernetes.io and k8s.io namespaces are reserved';
      errors.push(invalidError(path.child('options').key(key), key, why));
    }
  },
  azureDisk: sharedRule('azureDisk', checkAzureDisk),
  storageos(errors, path, { storageos }) {
    checkOptional(errors, path.child('volumeName'), storageos?.volumeName, dns1123Label);
    checkOptional(errors, path.child('volumeNamespace'), storageos?.volumeNamespace, dns1123Label);
    checkSecretRef(errors, path, storageos?.secretRef);
  },
  csi(errors, path, { csi }) {
    const driver = csi?.driver ?? '';
    const at = path.child('driver');
    if (driver === '') errors.push(requiredError(at));
    if (driver.length > 63) errors.push(tooLongError(at, 63));
    for (const problem of dns1123Subdomain(driver.toLowerCase())) errors.push(invalidError(at, driver, problem));
    const secret = csi?.nodePublishSecretRef;
    if (secret === undefined) return;
    if (isBlank(secret.name)) errors.push(requiredError(path.child('nodePublishSecretRef', 'name')));
    else checkRequired(errors, path.child('name'), secret.name, dns1123Subdomain);
  },
};

function pathOfDisk(path: FieldPath): FieldPath {
  return path.sibling('persistentDisk');
}

function checkSecretRef(errors: FieldError[], path: FieldPath, ref: { name?: string | undefined } | undefined): void {
  if (ref !== undefined && isBlank(ref.name)) errors.push(requiredError(path.child('secretRef', 'name')));
}

function checkIscsi(errors: FieldError[], path: FieldPath, { name, iscsi }: Volume): void {
  const { iqn = '', lun = 0, initiatorName, targetPortal = '' } = iscsi ?? {};
  const start = 'must be valid format starting with iqn, eui, or naa';
  if (iqn !== '') checkInitiator(errors, path.child('iqn'), iqn, start);
  checkShape(errors, path.child('lun'), lun, n => inRange(n, 0, 255));
  const chap = iscsi?.chapAuthDiscovery === true || iscsi?.chapAuthSession === true;
  if (chap && iscsi.secretRef === undefined) errors.push(requiredError(path.child('secretRef')));
  if (initiatorName === undefined) return;
  checkInitiator(errors, path.child('initiatorname'), initiatorName, start);
  if (`${name}:${targetPortal}`.length > 64) {
    const why =
      'Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.';
    errors.push(invalidError(path.sibling('name'), name, why));
  }
}

function checkInitiator(errors: FieldError[], path: FieldPath, value: string, start: string): void {
  const shape = {
    iqn: /iqn\.\d{4}-\d{2}\.([a-zA-Z0-9\-.]+)(:[^,;*&$|\s]+)$/,
    eui: /^eui.[a-zA-Z0-9]{16}$/,
    naa: /^naa.[a-zA-Z0-9]{32}$/,
  }[value.slice(0, 3)];
  if (shape === undefined) errors.push(invalidError(path, value, start));
  else if (!shape.test(value)) errors.push(invalidError(path, value, 'must be valid format'));
}
