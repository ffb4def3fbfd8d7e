/** PersistentVolumes of iSCSI; the rules of pods' own are other ones. Source: Kubernetes `pkg/apis/core/validation`, 1.36. */
import { invalidError, requiredError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { inRange } from '../../../../machinery/meta/value-shapes.ts';
import type { ISCSIPersistentVolumeSource } from '../../../../proto/api/core-v1.ts';
import { checkRequired, checkShape } from '../../../../machinery/validation/checks.ts';

const INITIATOR = /^(iqn\.\d{4}-\d{2}\.([a-z0-9-.]+)(:([^,;*&$|\s]+))|eui\.[a-fA-F0-9]{16}|naa\.[a-fA-F0-9]{32})$/;
const MAX_ISCSI_NAME = 64;

export function checkIscsi(
  errors: FieldError[],
  path: FieldPath,
  source: ISCSIPersistentVolumeSource,
  volumeName: string,
): void {
  const { targetPortal = '', iqn, initiatorName, lun = 0, secretRef } = source;
  checkRequired(errors, path.child('targetPortal'), targetPortal);
  if (initiatorName !== undefined && `${volumeName}:${targetPortal}`.length > MAX_ISCSI_NAME) {
    const why = `Total length of <volume name>:<iscsi.targetPortal> must be under ${MAX_ISCSI_NAME} characters if iscsi.initiatorName is specified.`;
    errors.push(invalidError(path.child('targetportal'), targetPortal, why));
  }
  const initiator = (name: string): string[] => (INITIATOR.test(name) ? [] : ['must be valid format']);
  checkRequired(errors, path.child('iqn'), iqn, initiator);
  checkShape(errors, path.child('lun'), lun, value => inRange(value, 0, 255));
  const chap = source.chapAuthDiscovery === true || source.chapAuthSession === true;
  if (chap && secretRef === undefined) errors.push(requiredError(path.child('secretRef')));
  if (secretRef !== undefined) checkRequired(errors, path.child('secretRef', 'name'), secretRef.name);
  if (initiatorName !== undefined) checkShape(errors, path.child('initiatorname'), initiatorName, initiator);
}
