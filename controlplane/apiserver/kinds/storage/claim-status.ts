/** Validation of a PersistentVolumeClaim's status: what it got, and how far a resize is. Source: Kubernetes `pkg/apis/core/validation`, 1.36. */
import { invalidError, notSupportedError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { qualifiedName } from '../../../../machinery/meta/names.ts';
import type { PersistentVolumeClaim } from '../../../../proto/api/core-v1.ts';
import { checkQuantity, isNativeResource } from '../../../../machinery/validation/resource-list.ts';

const STATUS = FieldPath.of('status');
const STEPS = [
  'ControllerResizeInProgress',
  'ControllerResizeInfeasible',
  'NodeResizeInProgress',
  'NodeResizeInfeasible',
  'NodeResizePending',
];

export function checkPersistentVolumeClaimStatus({ status = {} }: PersistentVolumeClaim): FieldError[] {
  const errors: FieldError[] = [];
  for (const [name, text] of Object.entries(status.capacity ?? {}))
    checkAmount(errors, STATUS.child('capacity').key(name), text);
  const steps = STATUS.child('allocatedResourceStatus');
  for (const [name, step] of Object.entries(status.allocatedResourceStatuses ?? {})) {
    checkKey(errors, steps, name);
    if (!STEPS.includes(step)) errors.push(notSupportedError(steps, name, STEPS));
  }
  const allocated = STATUS.child('allocatedResources');
  for (const [name, text] of Object.entries(status.allocatedResources ?? {})) {
    if (checkKey(errors, allocated, name)) checkAmount(errors, allocated.key(name), text);
  }
  return errors;
}

function checkAmount(errors: FieldError[], path: FieldPath, text: string): void {
  const amount = checkQuantity(errors, path, text);
  if (amount !== undefined && amount.sign() < 0)
    errors.push(invalidError(path, amount.toString(), 'must be a valid resource quantity'));
}

function checkKey(errors: FieldError[], path: FieldPath, name: string): boolean {
  const before = errors.length;
  for (const problem of qualifiedName(name)) errors.push(invalidError(path, name, problem));
  if (errors.length === before && isNativeResource(name) && name !== 'storage')
    errors.push(notSupportedError(path, name, ['storage']));
  return errors.length === before;
}
