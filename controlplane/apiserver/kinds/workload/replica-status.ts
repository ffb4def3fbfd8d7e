/** What the status of a set of replicas may say. Source: Kubernetes `pkg/apis/apps/validation`, 1.36. */
import { invalidError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import type { ReplicaSetStatus } from '../../../../proto/api/apps-v1.ts';
import { checkNonNegative } from '../../../../machinery/validation/checks.ts';

const STATUS = FieldPath.of('status');

/** A count of name collisions only rises: names are made of it. */
export function checkCollisions(errors: FieldError[], now: number | undefined, was: number | undefined): void {
  if (was === undefined || (now ?? -1) >= was) return;
  errors.push(invalidError(STATUS.child('collisionCount'), now ?? 0, 'cannot be decremented'));
}

/** Of ReplicaSets and ReplicationControllers. */
export function checkReplicaStatus(status: ReplicaSetStatus | undefined): FieldError[] {
  const errors: FieldError[] = [];
  if (status === undefined) return errors;
  const {
    replicas = 0,
    fullyLabeledReplicas = 0,
    readyReplicas = 0,
    availableReplicas = 0,
    observedGeneration,
  } = status;
  const counts = { replicas, fullyLabeledReplicas, readyReplicas, availableReplicas };
  for (const [name, count] of Object.entries(counts)) checkNonNegative(errors, STATUS.child(name), count);
  checkNonNegative(errors, STATUS.child('observedGeneration'), observedGeneration);
  for (const [name, count] of Object.entries(counts)) {
    if (count > replicas)
      errors.push(invalidError(STATUS.child(name), count, 'cannot be greater than status.replicas'));
  }
  if (availableReplicas > readyReplicas) {
    errors.push(
      invalidError(STATUS.child('availableReplicas'), availableReplicas, 'cannot be greater than readyReplicas'),
    );
  }
  return errors;
}
