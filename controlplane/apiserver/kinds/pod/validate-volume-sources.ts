/**
 * Rules of the volume sources that consist of plain fields: those of hosts, networks and clouds.
 * Source: Kubernetes `pkg/apis/core/validation` (volume sources), 1.36.
 */
import {
  invalidError,
  notSupportedError,
  requiredError,
  tooLongError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { dns1123Label, dns1123Subdomain } from '../../../../machinery/meta/names.ts';
import { inRange } from '../../../../machinery/meta/value-shapes.ts';
import type { Volume } from '../../../../proto/api/core-v1.ts';
import { checkOptional, checkRequired, checkShape, isBlank } from '../validation/checks.ts';
import { checkDescendingPath, checkNoBacksteps } from './validate-paths.ts';

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
  azureDisk: ['diskName', 'diskURI'],
  storageos: ['volumeName'],
  scaleIO: ['gateway', 'system', 'volumeName'],
};
const HOST_PATH_TYPES = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
];
const HOST_PORTS = 'must be a host:port pair or multiple pairs separated by commas';

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

const RULES: Readonly<Partial<Record<VolumeSourceName, Rule>>> = {
  hostPath(errors, path, { hostPath }) {
    if (hostPath === undefined || isBlank(hostPath.path)) {
      errors.push(requiredError(path.child('path')));
      return;
    }
    checkNoBacksteps(errors, path.child('path'), hostPath.path);
    const type = hostPath.type ?? '';
    if (!HOST_PATH_TYPES.includes(type)) errors.push(notSupportedError(path.child('type'), type, HOST_PATH_TYPES));
  },
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
  flocker(errors, path, { flocker }) {
    const { datasetName = '', datasetUUID = '' } = flocker ?? {};
    if (datasetName === '' && datasetUUID === '')
      errors.push(requiredError(path, 'one of datasetName and datasetUUID is required'));
    if (datasetName !== '' && datasetUUID !== '') {
      const why = 'datasetName and datasetUUID can not be specified simultaneously';
      errors.push(invalidError(path, 'resource', why));
    }
    if (datasetName.includes('/'))
      errors.push(invalidError(path.child('datasetName'), datasetName, "must not contain '/'"));
  },
  cinder: (errors, path, { cinder }) => checkSecretRef(errors, path, cinder?.secretRef),
  quobyte(errors, path, { quobyte }) {
    const { registry = '', tenant = '', volume = '' } = quobyte ?? {};
    if (registry === '') errors.push(requiredError(path.child('registry'), HOST_PORTS));
    else if (tenant.length >= 65)
      errors.push(requiredError(path.child('tenant'), 'must be a UUID and may not exceed a length of 64 characters'));
    else {
      for (const pair of registry.split(','))
        if (!/^([^:[\]]*|\[[^\]]*\]):[^:]*$/.test(pair))
          errors.push(invalidError(path.child('registry'), registry, HOST_PORTS));
    }
    if (volume === '') errors.push(requiredError(path.child('volume')));
  },
  fc(errors, path, { fc }) {
    const names = fc?.targetWWNs ?? [];
    const ids = fc?.wwids ?? [];
    const at = path.child('targetWWNs');
    if (names.length === 0 && ids.length === 0)
      errors.push(requiredError(at, 'must specify either targetWWNs or wwids, but not both'));
    if (names.length > 0 && ids.length > 0)
      errors.push(invalidError(at, names, 'targetWWNs and wwids can not be specified simultaneously'));
    if (names.length === 0) return;
    if (fc?.lun === undefined)
      errors.push(requiredError(path.child('lun'), 'lun is required if targetWWNs is specified'));
    else checkShape(errors, path.child('lun'), fc.lun, lun => inRange(lun, 0, 255));
  },
  flexVolume(errors, path, { flexVolume }) {
    for (const key of Object.keys(flexVolume?.options ?? {})) {
      const domain = `.${(key.includes('/') ? (key.split('/', 1)[0] ?? '') : key).toLowerCase()}`;
      if (!domain.endsWith('.kubernetes.io') && !domain.endsWith('.k8s.io')) continue;
      const why = 'kubernetes.io and k8s.io namespaces are reserved';
      errors.push(invalidError(path.child('options').key(key), key, why));
    }
  },
  azureDisk: checkAzureDisk,
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

function checkPartition(errors: FieldError[], path: FieldPath, partition = 0): void {
  if (partition < 0 || partition > 255)
    errors.push(invalidError(path.child('partition'), partition, 'must be between 1 and 255, inclusive'));
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

function checkAzureDisk(errors: FieldError[], path: FieldPath, { azureDisk }: Volume): void {
  const { cachingMode, kind, diskURI = '' } = azureDisk ?? {};
  const modes = ['None', 'ReadOnly', 'ReadWrite'];
  const kinds = ['Dedicated', 'Managed', 'Shared'];
  if (cachingMode !== undefined && !modes.includes(cachingMode))
    errors.push(notSupportedError(path.child('cachingMode'), cachingMode, modes));
  if (kind !== undefined && !kinds.includes(kind)) errors.push(notSupportedError(path.child('kind'), kind, kinds));
  const managed = '/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}';
  const blob = 'https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd';
  if (kind === 'Managed' && !diskURI.startsWith('/subscriptions/'))
    errors.push(notSupportedError(path.child('diskURI'), diskURI, [managed]));
  if (kind !== undefined && kind !== 'Managed' && !diskURI.startsWith('https://'))
    errors.push(notSupportedError(path.child('diskURI'), diskURI, [blob]));
}
