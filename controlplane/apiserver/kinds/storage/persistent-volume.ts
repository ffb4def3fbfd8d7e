/** PersistentVolumes. Source: Kubernetes `pkg/apis/core`, `pkg/registry/core/persistentvolume`, 1.36. */
import { forbiddenError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { jsonEquals } from '../../../../machinery/meta/json-value.ts';
import type { PersistentVolume, PersistentVolumeSpec } from '../../../../proto/api/core-v1.ts';
import { timestamp } from '../../registry/object-meta.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn, wide } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { defaultOldSources } from '../../../../machinery/pods/default-volumes.ts';
import { checkImmutable } from '../../../../machinery/validation/checks.ts';
import { keepSpec } from '../validation/spec-kept.ts';
import { accessModesText } from './access-modes-text.ts';
import { VOLUME_SOURCES } from './volume-sources.ts';
import { checkVolumeSpec } from './volume-spec.ts';

const SPEC = FieldPath.of('spec');

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
  default({ spec }) {
    spec.persistentVolumeReclaimPolicy ||= 'Retain';
    spec.volumeMode ??= 'Filesystem';
    if (spec.hostPath !== undefined) spec.hostPath.type ??= '';
    defaultOldSources(spec);
  },
  prepareForCreate(volume, { nowMs }) {
    volume.status = { phase: 'Pending', lastPhaseTransitionTime: timestamp(nowMs) };
  },
  prepareForUpdate(volume, older) {
    volume.status = older.status;
  },
  validate({ metadata, spec }) {
    const errors: FieldError[] = [];
    checkVolumeSpec(errors, SPEC, spec, metadata.name ?? '', false);
    return errors;
  },
  validateUpdate({ spec }, { spec: older }) {
    const errors: FieldError[] = [];
    if (!jsonEquals(sourceOf(spec, older), sourceOf(older, older)))
      errors.push(
        forbiddenError(SPEC.child('persistentvolumesource'), 'spec.persistentvolumesource is immutable after creation'),
      );
    // Upstream's paths: both without `spec`.
    checkImmutable(errors, FieldPath.of('volumeMode'), spec.volumeMode, older.volumeMode);
    if (older.nodeAffinity !== undefined)
      checkImmutable(errors, FieldPath.of('nodeAffinity'), spec.nodeAffinity, older.nodeAffinity);
    if (older.volumeAttributesClassName !== undefined && spec.volumeAttributesClassName === undefined) {
      errors.push(
        forbiddenError(SPEC.child('volumeAttributesClassName'), 'update from non-nil value to nil is forbidden'),
      );
    }
    return errors;
  },
  status: {
    prepareForUpdate(volume, older, { nowMs }) {
      keepSpec(volume, older);
      const { status } = volume;
      if (status === undefined || status.phase === older.status?.phase) return;
      // Whoever changes the phase may say when; otherwise it was now.
      if (status.lastPhaseTransitionTime === older.status?.lastPhaseTransitionTime)
        status.lastPhaseTransitionTime = timestamp(nowMs);
    },
  },
};

/** The source, where a secret for expansion may still be added. */
function sourceOf(spec: PersistentVolumeSpec, older: PersistentVolumeSpec): object {
  const source: Record<string, unknown> = {};
  for (const name of VOLUME_SOURCES) if (spec[name] !== undefined) source[name] = spec[name];
  if (spec.csi === undefined || older.csi === undefined || older.csi.controllerExpandSecretRef !== undefined)
    return source;
  const { controllerExpandSecretRef: _, ...csi } = spec.csi;
  return { ...source, csi };
}
