/** VolumeAttachments. Source: Kubernetes `pkg/apis/storage`, `pkg/registry/storage/volumeattachment` and `pkg/printers`, 1.36. */
import {
  forbiddenError,
  requiredError,
  invalidError,
  tooLongError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { dns1123Subdomain, rangeProblem } from '../../../../machinery/meta/names.ts';
import type {
  VolumeAttachment,
  VolumeAttachmentSource,
  VolumeAttachmentStatus,
} from '../../../../proto/api/storage-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkImmutable, checkShape, isBlank } from '../../../../machinery/validation/checks.ts';
import { checkDriverName } from '../validation/csi-driver-name.ts';
import { keepSpec } from '../validation/spec-kept.ts';
import { checkVolumeSpec } from './volume-spec.ts';

const SPEC = FieldPath.of('spec');
const STATUS = FieldPath.of('status');
const MAX_METADATA_BYTES = 256 * 1024;
const MAX_MESSAGE = 1024;
const MAX_INT32 = 2147483647;

export const volumeAttachmentStrategy: Strategy<VolumeAttachment> = {
  info: kindInfo('storage.k8s.io', 'VolumeAttachment'),
  tracksGeneration: false,
  columns: [
    nameColumn,
    { ...column<VolumeAttachment>('Attacher', 'Driver that attaches.', a => a.spec.attacher ?? ''), format: 'name' },
    column('PV', 'Volume.', a => a.spec.source?.persistentVolumeName ?? ''),
    column('Node', 'Node that the volume is attached to.', a => a.spec.nodeName ?? ''),
    column('Attached', 'Whether it is.', a => a.status?.attached ?? false, 'boolean'),
    ageColumn,
  ],
  allowUnconditionalUpdate: false,
  prepareForCreate(attachment) {
    attachment.status = { attached: false };
  },
  prepareForUpdate(attachment, older) {
    if (older.status === undefined) delete attachment.status;
    else attachment.status = older.status;
  },
  validate({ spec }) {
    const errors: FieldError[] = [];
    if (isBlank(spec.attacher)) errors.push(requiredError(SPEC.child('attacher')));
    checkSource(errors, SPEC.child('source'), spec.source ?? {});
    checkShape(errors, SPEC.child('nodeName'), spec.nodeName ?? '', dns1123Subdomain);
    return errors;
  },
  validateCreate({ spec }) {
    const errors: FieldError[] = [];
    checkDriverName(errors, SPEC.child('attacher'), spec.attacher);
    const name = spec.source?.persistentVolumeName;
    if (name !== undefined) checkShape(errors, SPEC.child('source', 'persistentVolumeName'), name, dns1123Subdomain);
    return errors;
  },
  validateUpdate({ spec }, { spec: older }) {
    const errors: FieldError[] = [];
    checkImmutable(errors, SPEC, spec, older);
    return errors;
  },
  status: { prepareForUpdate: keepSpec, validateUpdate: ({ status }) => statusErrors(status) },
};

function checkSource(errors: FieldError[], path: FieldPath, source: VolumeAttachmentSource): void {
  const { inlineVolumeSpec, persistentVolumeName: name } = source;
  const rule = 'must specify exactly one of inlineVolumeSpec and persistentVolumeName';
  if (inlineVolumeSpec === undefined && name === undefined) errors.push(requiredError(path, rule));
  else if (inlineVolumeSpec !== undefined && name !== undefined) errors.push(forbiddenError(path, rule));
  else if (inlineVolumeSpec !== undefined)
    checkVolumeSpec(errors, path.child('inlineVolumeSpec'), inlineVolumeSpec, '', true);
  else if (name === '') {
    errors.push(requiredError(path.child('persistentVolumeName'), 'must specify non empty persistentVolumeName'));
  }
}

function statusErrors(status: VolumeAttachmentStatus | undefined): FieldError[] {
  const errors: FieldError[] = [];
  const bytes = Object.entries(status?.attachmentMetadata ?? {}).reduce(
    (sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value),
    0,
  );
  if (bytes > MAX_METADATA_BYTES) errors.push(tooLongError(STATUS.child('attachmentMetadata'), MAX_METADATA_BYTES));
  for (const field of ['attachError', 'detachError'] as const) {
    const { message = '', errorCode } = status?.[field] ?? {};
    const at = STATUS.child(field);
    // Upstream names the limit of the metadata here.
    if (Buffer.byteLength(message) > MAX_MESSAGE) errors.push(tooLongError(at.child('message'), MAX_METADATA_BYTES));
    if (errorCode !== undefined && errorCode < 0)
      errors.push(invalidError(at.child('errorCode'), errorCode, rangeProblem(0, MAX_INT32)));
  }
  return errors;
}
