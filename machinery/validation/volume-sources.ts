/**
 * The volume sources that pods and PersistentVolumes share to the letter. Source: Kubernetes `pkg/apis/core/validation`, 1.36.
 */
import { invalidError, notSupportedError, requiredError, type FieldError } from '../meta/field-error.ts';
import type { FieldPath } from '../meta/field-path.ts';
import { inRange } from '../meta/value-shapes.ts';
import type {
  AzureDiskVolumeSource,
  FCVolumeSource,
  FlockerVolumeSource,
  HostPathVolumeSource,
  QuobyteVolumeSource,
} from '../../proto/api/core-v1.ts';
import { checkNoBacksteps } from '../pods/validate-paths.ts';
import { checkEnum, checkRequired, checkShape, isBlank } from './checks.ts';

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
const HOST_PORT = /^(\[[^\]]*\]|[^:[\]]*):[^:]*$/;
const QUOBYTE_REGISTRY = 'must be a host:port pair or multiple pairs separated by commas';
const MAX_TENANT = 64;

export function checkHostPath(
  errors: FieldError[],
  path: FieldPath,
  { path: place, type }: HostPathVolumeSource,
): void {
  if (isBlank(place)) errors.push(requiredError(path.child('path')));
  else {
    checkNoBacksteps(errors, path.child('path'), place);
    checkEnum(errors, path.child('type'), type, HOST_PATH_TYPES, 'allowed');
  }
}

/** Of the disks that have partitions; 0 is the whole disk. */
export function checkPartition(errors: FieldError[], path: FieldPath, partition = 0): void {
  if (partition < 0 || partition > 255)
    errors.push(invalidError(path.child('partition'), partition, 'must be between 1 and 255, inclusive'));
}

export function checkFlocker(errors: FieldError[], path: FieldPath, source: FlockerVolumeSource): void {
  const { datasetName = '', datasetUUID = '' } = source;
  if (datasetName === '' && datasetUUID === '')
    errors.push(requiredError(path, 'one of datasetName and datasetUUID is required'));
  if (datasetName !== '' && datasetUUID !== '')
    errors.push(invalidError(path, 'resource', 'datasetName and datasetUUID can not be specified simultaneously'));
  if (datasetName.includes('/'))
    errors.push(invalidError(path.child('datasetName'), datasetName, "must not contain '/'"));
}

export function checkQuobyte(
  errors: FieldError[],
  path: FieldPath,
  { registry = '', tenant = '', volume }: QuobyteVolumeSource,
): void {
  const at = path.child('registry');
  if (registry === '') errors.push(requiredError(at, QUOBYTE_REGISTRY));
  else if (tenant.length > MAX_TENANT)
    errors.push(
      requiredError(path.child('tenant'), `must be a UUID and may not exceed a length of ${MAX_TENANT} characters`),
    );
  else {
    for (const pair of registry.split(','))
      if (!HOST_PORT.test(pair)) errors.push(invalidError(at, registry, QUOBYTE_REGISTRY));
  }
  checkRequired(errors, path.child('volume'), volume);
}

export function checkFibreChannel(errors: FieldError[], path: FieldPath, source: FCVolumeSource): void {
  const { targetWWNs = [], wwids = [], lun } = source;
  const at = path.child('targetWWNs');
  if (targetWWNs.length === 0 && wwids.length === 0)
    errors.push(requiredError(at, 'must specify either targetWWNs or wwids, but not both'));
  if (targetWWNs.length > 0 && wwids.length > 0)
    errors.push(invalidError(at, targetWWNs, 'targetWWNs and wwids can not be specified simultaneously'));
  if (targetWWNs.length === 0) return;
  if (lun === undefined) errors.push(requiredError(path.child('lun'), 'lun is required if targetWWNs is specified'));
  else checkShape(errors, path.child('lun'), lun, value => inRange(value, 0, 255));
}

export function checkAzureDisk(errors: FieldError[], path: FieldPath, source: AzureDiskVolumeSource): void {
  const { diskURI = '', kind } = source;
  checkRequired(errors, path.child('diskName'), source.diskName);
  checkRequired(errors, path.child('diskURI'), diskURI);
  const { cachingMode } = source;
  if (cachingMode !== undefined)
    checkEnum(errors, path.child('cachingMode'), cachingMode, ['None', 'ReadOnly', 'ReadWrite'], 'unsupported');
  if (kind === undefined) return;
  checkEnum(errors, path.child('kind'), kind, ['Dedicated', 'Managed', 'Shared'], 'unsupported');
  const [start, form] =
    kind === 'Managed'
      ? [
          '/subscriptions/',
          '/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}',
        ]
      : ['https://', 'https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd'];
  if (!diskURI.startsWith(start)) errors.push(notSupportedError(path.child('diskURI'), diskURI, [form]));
}
