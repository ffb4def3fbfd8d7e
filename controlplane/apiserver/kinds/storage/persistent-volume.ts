/** PersistentVolumes. Source: Kubernetes `pkg/apis/core`, `pkg/registry/core/persistentvolume`, 1.36. */
import {
  forbiddenError,
  invalidError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { jsonEquals } from '../../../../machinery/meta/json-value.ts';
import { dns1123Subdomain } from '../../../../machinery/meta/names.ts';
import type { PersistentVolume, PersistentVolumeSource } from '../../../../proto/api/core-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn, wide } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkEnum, checkImmutable, checkOneOf, checkOptional, checkRequired } from '../validation/checks.ts';
import { checkAccessModes, VOLUME_MODES } from '../validation/claim-spec.ts';
import { checkNodeSelector } from '../validation/node-selector.ts';
import { checkResourceAmount } from '../validation/resource-list.ts';
import { keepSpec } from '../validation/spec-kept.ts';
import { accessModesText } from './access-modes-text.ts';

const SPEC = FieldPath.of('spec');
const SOURCES = [
  'hostPath',
  'local',
  'nfs',
  'csi',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'glusterfs',
  'rbd',
  'iscsi',
  'cinder',
  'cephfs',
  'fc',
  'flocker',
  'flexVolume',
  'azureFile',
  'vsphereVolume',
  'quobyte',
  'azureDisk',
  'photonPersistentDisk',
  'portworxVolume',
  'scaleIO',
  'storageos',
] as const satisfies readonly (keyof PersistentVolumeSource)[];

export const persistentVolumeStrategy: Strategy<PersistentVolume> = {
  info: kindInfo('', 'PersistentVolume'),
  tracksGeneration: false,
  columns: [
    nameColumn,
    column('Capacity', 'Size.', volume => volume.spec.capacity?.['storage'] ?? '0'),
    column('Access Modes', 'How the volume can be mounted.', volume => accessModesText(volume.spec.accessModes)),
    column(
      'Reclaim Policy',
      'What becomes of the volume when its claim goes.',
      volume => volume.spec.persistentVolumeReclaimPolicy ?? '',
    ),
    column('Status', 'Whether a claim has the volume.', volume =>
      volume.metadata.deletionTimestamp === undefined ? (volume.status?.phase ?? '') : 'Terminating',
    ),
    column('Claim', 'Claim that has the volume.', ({ spec: { claimRef } }) =>
      claimRef === undefined ? '' : `${claimRef.namespace ?? ''}/${claimRef.name ?? ''}`,
    ),
    column('StorageClass', 'Class of the volume.', volume => volume.spec.storageClassName ?? ''),
    column(
      'VolumeAttributesClass',
      'Class of changeable properties.',
      volume => volume.spec.volumeAttributesClassName ?? '<unset>',
    ),
    column('Reason', 'Why the volume is in its state.', volume => volume.status?.reason ?? ''),
    ageColumn,
    wide('VolumeMode', 'File system or raw device.', volume => volume.spec.volumeMode ?? '<unset>'),
  ],
  allowUnconditionalUpdate: true,
  selectableFields: volume => ({ name: volume.metadata.name ?? '' }),
  default(volume) {
    const { spec } = volume;
    spec.persistentVolumeReclaimPolicy ||= 'Retain';
    spec.volumeMode ??= 'Filesystem';
    if (spec.hostPath !== undefined) spec.hostPath.type ??= '';
  },
  prepareForCreate(volume) {
    volume.status = { phase: 'Pending' };
  },
  prepareForUpdate(volume, older) {
    volume.status = older.status;
  },
  validate({ spec }) {
    const errors: FieldError[] = [];
    checkAccessModes(errors, SPEC.child('accessModes'), spec.accessModes);
    checkCapacity(errors, spec.capacity ?? {});
    const source = checkOneOf(errors, SPEC, spec, SOURCES, 'volume type');
    if (source === undefined) errors.push(requiredError(SPEC, 'must specify a volume type'));
    if (spec.hostPath !== undefined) checkRequired(errors, SPEC.child('hostPath', 'path'), spec.hostPath.path);
    if (spec.nfs !== undefined) {
      checkRequired(errors, SPEC.child('nfs', 'server'), spec.nfs.server);
      checkRequired(errors, SPEC.child('nfs', 'path'), spec.nfs.path);
    }
    if (spec.csi !== undefined) {
      checkRequired(errors, SPEC.child('csi', 'driver'), spec.csi.driver);
      checkRequired(errors, SPEC.child('csi', 'volumeHandle'), spec.csi.volumeHandle);
    }
    if (spec.local !== undefined) {
      checkRequired(errors, SPEC.child('local', 'path'), spec.local.path);
      if (spec.nodeAffinity === undefined)
        errors.push(requiredError(SPEC.child('nodeAffinity'), 'Local volume requires node affinity'));
    }
    if (spec.nodeAffinity !== undefined) {
      const at = SPEC.child('nodeAffinity', 'required');
      if (spec.nodeAffinity.required === undefined)
        errors.push(requiredError(at, 'must specify required node constraints'));
      else checkNodeSelector(errors, at, spec.nodeAffinity.required);
    }
    checkEnum(
      errors,
      SPEC.child('persistentVolumeReclaimPolicy'),
      spec.persistentVolumeReclaimPolicy,
      ['Delete', 'Recycle', 'Retain'],
      'allowed',
    );
    if (spec.hostPath?.path === '/' && spec.persistentVolumeReclaimPolicy === 'Recycle') {
      errors.push(
        forbiddenError(SPEC.child('persistentVolumeReclaimPolicy'), "may not be 'recycle' for a hostPath mount of '/'"),
      );
    }
    checkOptional(errors, SPEC.child('storageClassName'), spec.storageClassName, dns1123Subdomain);
    checkEnum(errors, SPEC.child('volumeMode'), spec.volumeMode, VOLUME_MODES, 'allowed');
    return errors;
  },
  validateUpdate({ spec }, { spec: older }) {
    const errors: FieldError[] = [];
    const same = SOURCES.every(source => jsonEquals(spec[source] ?? null, older[source] ?? null));
    if (!same)
      errors.push(
        forbiddenError(SPEC.child('persistentvolumesource'), 'spec.persistentvolumesource is immutable after creation'),
      );
    checkImmutable(errors, SPEC.child('volumeMode'), spec.volumeMode, older.volumeMode);
    if (older.nodeAffinity !== undefined && !jsonEquals(spec.nodeAffinity, older.nodeAffinity)) {
      errors.push(invalidError(SPEC.child('nodeAffinity'), spec.nodeAffinity, 'field is immutable'));
    }
    return errors;
  },
  status: { prepareForUpdate: keepSpec },
};

function checkCapacity(errors: FieldError[], capacity: Readonly<Record<string, string>>): void {
  const at = SPEC.child('capacity');
  const names = Object.keys(capacity);
  if (names.length === 0) errors.push(requiredError(at));
  if (names.length > 0 && (names.length > 1 || names[0] !== 'storage'))
    errors.push(notSupportedError(at, capacity, ['storage']));
  for (const [name, text] of Object.entries(capacity)) {
    const amount = checkResourceAmount(errors, at.key(name), name, text);
    if (amount?.sign() === 0) errors.push(invalidError(at.key(name), amount.toString(), 'must be greater than zero'));
  }
}
