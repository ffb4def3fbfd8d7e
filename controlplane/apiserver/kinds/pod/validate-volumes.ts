/**
 * Validation of a pod's volumes: one source each, and that source's own rules.
 * Source: Kubernetes `pkg/apis/core/validation` (volumes), 1.36.
 */
import {
  duplicateError,
  forbiddenError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { dns1123Label, dns1123Subdomain } from '../../../../machinery/meta/names.ts';
import type { Volume } from '../../../../proto/api/core-v1.ts';
import { checkEnum, checkOneOf, checkOptional, checkRequired } from '../validation/checks.ts';
import { tryParseQuantity } from '../../../../machinery/meta/quantity.ts';
import { checkClaimSpec } from '../validation/claim-spec.ts';
import { checkMode, checkNoBacksteps } from './validate-paths.ts';
import { checkDownwardApiFiles, checkKeysToPaths, checkProjected } from './validate-projected.ts';

const SOURCES = [
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
type Source = (typeof SOURCES)[number];

/** Fields that must not be empty, for sources that have no rule of their own. */
const REQUIRED: Readonly<Partial<Record<Source, readonly string[]>>> = {
  nfs: ['server', 'path'],
  iscsi: ['targetPortal', 'iqn'],
  gcePersistentDisk: ['pdName'],
  awsElasticBlockStore: ['volumeID'],
  glusterfs: ['endpoints', 'path'],
  rbd: ['monitors', 'image'],
  cinder: ['volumeID'],
  cephfs: ['monitors'],
  flexVolume: ['driver'],
  azureFile: ['secretName', 'shareName'],
  azureDisk: ['diskName', 'diskURI'],
  vsphereVolume: ['volumePath'],
  photonPersistentDisk: ['pdID'],
  portworxVolume: ['volumeID'],
  quobyte: ['registry', 'volume'],
  scaleIO: ['gateway', 'system', 'volumeName'],
  gitRepo: ['repository'],
  csi: ['driver'],
  persistentVolumeClaim: ['claimName'],
  secret: ['secretName'],
  configMap: ['name'],
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

export function checkVolumes(errors: FieldError[], path: FieldPath, volumes: readonly Volume[] | undefined): void {
  const names = new Set<string>();
  for (const [i, volume] of (volumes ?? []).entries()) {
    const at = path.index(i);
    checkRequired(errors, at.child('name'), volume.name, dns1123Label);
    if (names.has(volume.name)) errors.push(duplicateError(at.child('name'), volume.name));
    names.add(volume.name);
    const source = checkOneOf(errors, at, volume, SOURCES, 'volume type') as Source | undefined;
    if (source === undefined) errors.push(requiredError(at, 'must specify a volume type'));
    else checkVolumeSource(errors, at.child(source), source, volume);
  }
}

function checkVolumeSource(errors: FieldError[], path: FieldPath, source: Source, volume: Volume): void {
  const fields = volume[source] as unknown as Record<string, unknown>;
  for (const name of REQUIRED[source] ?? []) {
    const value = fields[name];
    if (value === undefined || value === '' || (Array.isArray(value) && value.length === 0)) {
      errors.push(requiredError(path.child(name)));
    }
  }
  switch (source) {
    case 'emptyDir':
      checkSizeLimit(errors, path, volume.emptyDir?.sizeLimit);
      return;
    case 'hostPath':
      checkRequired(errors, path.child('path'), volume.hostPath?.path);
      checkNoBacksteps(errors, path.child('path'), volume.hostPath?.path ?? '');
      checkEnum(errors, path.child('type'), volume.hostPath?.type, HOST_PATH_TYPES, 'allowed');
      return;
    case 'secret':
    case 'configMap':
      checkMode(errors, path.child('defaultMode'), volume[source]?.defaultMode);
      checkKeysToPaths(errors, path.child('items'), volume[source]?.items, new Set());
      return;
    case 'downwardAPI':
      checkMode(errors, path.child('defaultMode'), volume.downwardAPI?.defaultMode);
      checkDownwardApiFiles(errors, path, volume.downwardAPI?.items, new Set());
      return;
    case 'projected':
      if (volume.projected !== undefined) checkProjected(errors, path, volume.projected);
      return;
    case 'nfs':
      checkOptional(errors, path.child('path'), volume.nfs?.path, absolutePath);
      return;
    case 'csi':
      checkOptional(errors, path.child('driver'), volume.csi?.driver.toLowerCase(), dns1123Subdomain);
      return;
    case 'ephemeral': {
      const template = volume.ephemeral?.volumeClaimTemplate;
      if (template === undefined) errors.push(requiredError(path.child('volumeClaimTemplate')));
      else checkClaimSpec(errors, path.child('volumeClaimTemplate', 'spec'), template.spec);
      return;
    }
    case 'image':
      checkRequired(errors, path.child('reference'), volume.image?.reference);
      checkEnum(
        errors,
        path.child('pullPolicy'),
        volume.image?.pullPolicy,
        ['Always', 'IfNotPresent', 'Never'],
        'allowed',
      );
      return;
    default:
  }
}

function checkSizeLimit(errors: FieldError[], path: FieldPath, text: string | undefined): void {
  if (text === undefined) return;
  const limit = tryParseQuantity(String(text));
  if (limit !== undefined && limit.sign() >= 0) return;
  errors.push(forbiddenError(path.child('sizeLimit'), 'SizeLimit field must be a valid resource quantity'));
}

function absolutePath(value: string): string[] {
  return value.startsWith('/') ? [] : ['must be an absolute path'];
}
