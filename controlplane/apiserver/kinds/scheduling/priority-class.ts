/** PriorityClasses. Source: Kubernetes `pkg/apis/scheduling`, 1.36. */
import { forbiddenError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import type { PriorityClass } from '../../../../proto/api/scheduling-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkEnum, checkImmutable } from '../../../../machinery/validation/checks.ts';

/** Higher values are Kubernetes' own. */
const HIGHEST_USER_PRIORITY = 1_000_000_000;
const SYSTEM: ReadonlyMap<string, number> = new Map([
  ['system-node-critical', 2_000_001_000],
  ['system-cluster-critical', 2_000_000_000],
]);

export const priorityClassStrategy: Strategy<PriorityClass> = {
  info: kindInfo('scheduling.k8s.io', 'PriorityClass'),
  tracksGeneration: true,
  columns: [
    nameColumn,
    column('Value', 'Pods of a higher value go first.', pc => pc.value ?? 0, 'integer'),
    column('Global-Default', 'Whether pods without a class get this one.', pc => pc.globalDefault === true, 'boolean'),
    ageColumn,
    column('PreemptionPolicy', 'Whether pods may push others out.', pc => pc.preemptionPolicy ?? ''),
  ],
  allowUnconditionalUpdate: true,
  default(pc) {
    pc.preemptionPolicy ??= 'PreemptLowerPriority';
  },
  validate(pc) {
    const errors: FieldError[] = [];
    const { name = '' } = pc.metadata;
    if (name.startsWith('system-')) {
      const problem = systemProblem(name, pc);
      const why = "priority class names with 'system-' prefix are reserved for system use only. error:";
      if (problem !== undefined) errors.push(forbiddenError('metadata.name', `${why} ${problem}`));
    } else if ((pc.value ?? 0) > HIGHEST_USER_PRIORITY) {
      const why = `maximum allowed value of a user defined priority is ${HIGHEST_USER_PRIORITY}`;
      errors.push(forbiddenError('value', why));
    }
    checkEnum(
      errors,
      FieldPath.of('preemptionPolicy'),
      pc.preemptionPolicy,
      ['PreemptLowerPriority', 'Never'],
      'unsupported',
    );
    return errors;
  },
  validateUpdate(pc, older) {
    const errors: FieldError[] = [];
    if ((pc.value ?? 0) !== (older.value ?? 0))
      errors.push(forbiddenError('value', 'may not be changed in an update.'));
    checkImmutable(errors, FieldPath.of('preemptionPolicy'), pc.preemptionPolicy, older.preemptionPolicy);
    return errors;
  },
};

function systemProblem(name: string, { value = 0, globalDefault = false }: PriorityClass): string | undefined {
  const known = SYSTEM.get(name);
  if (known === undefined) return `${name} is not a known system priority class`;
  if (value !== known) return `value of ${name} PriorityClass must be ${known}`;
  return globalDefault ? `globalDefault of ${name} PriorityClass must be false` : undefined;
}
