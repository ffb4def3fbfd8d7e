/** FlowSchemas. Source: Kubernetes `pkg/apis/flowcontrol` (validation, v1 defaults) and `pkg/printers`, 1.36. */
import {
  invalidError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { jsonEquals } from '../../../../machinery/meta/json-value.ts';
import { dns1123Subdomain } from '../../../../machinery/meta/names.ts';
import type { FlowSchema, FlowSchemaSpec } from '../../../../proto/api/flowcontrol-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkShape, isBlank } from '../../../../machinery/validation/checks.ts';
import { keepSpec } from '../validation/spec-kept.ts';
import { conditionErrors } from './condition-errors.ts';
import { checkFlowRule } from './flow-rule.ts';
import { mandatoryFlowSchemas } from './suggested-flow-schemas.ts';

const SPEC = FieldPath.of('spec');
const DEFAULT_PRECEDENCE = 1000;
const MAX_PRECEDENCE = 10000;

export const flowSchemaStrategy: Strategy<FlowSchema> = {
  info: kindInfo('flowcontrol.apiserver.k8s.io', 'FlowSchema'),
  tracksGeneration: true,
  columns: [
    nameColumn,
    column('PriorityLevel', 'Level that requests get.', f => f.spec.priorityLevelConfiguration?.name ?? ''),
    column('MatchingPrecedence', 'Lower is tried first.', f => f.spec.matchingPrecedence ?? 0),
    column(
      'DistinguisherMethod',
      'What divides requests into flows.',
      f => f.spec.distinguisherMethod?.type ?? '<none>',
    ),
    ageColumn,
    column(
      'MissingPL',
      'Whether the level does not exist.',
      f => f.status?.conditions?.find(c => c.type === 'Dangling')?.status || '?',
    ),
  ],
  allowUnconditionalUpdate: false,
  default({ spec }) {
    spec.matchingPrecedence ||= DEFAULT_PRECEDENCE;
  },
  prepareForCreate(schema) {
    schema.status = {};
  },
  prepareForUpdate(schema, older) {
    if (older.status === undefined) delete schema.status;
    else schema.status = older.status;
  },
  validate({ metadata: { name = '' }, spec }) {
    const errors: FieldError[] = [];
    checkSpec(errors, name, spec);
    const fixed = mandatoryFlowSchemas.find(schema => schema.metadata.name === name);
    if (fixed !== undefined && !jsonEquals(spec, fixed.spec))
      errors.push(invalidError(SPEC, spec, `spec of '${name}' must equal the fixed value`));
    return errors;
  },
  status: { prepareForUpdate: keepSpec, validateUpdate: ({ status }) => conditionErrors(status?.conditions) },
};

function checkSpec(errors: FieldError[], name: string, spec: FlowSchemaSpec): void {
  const precedence = spec.matchingPrecedence ?? 0;
  const say = (why: string): void => {
    errors.push(invalidError(SPEC.child('matchingPrecedence'), precedence, why));
  };
  if (precedence <= 0) say('must be a positive value');
  if (precedence > MAX_PRECEDENCE) say(`must not be greater than ${MAX_PRECEDENCE}`);
  if (precedence === 1 && name !== 'exempt') say("only the schema named 'exempt' may have matchingPrecedence 1");
  const method = spec.distinguisherMethod;
  const methods = ['ByNamespace', 'ByUser'];
  if (method !== undefined && !methods.includes(method.type))
    errors.push(notSupportedError(SPEC.child('distinguisherMethod', 'type'), method, methods));
  const level = spec.priorityLevelConfiguration?.name;
  const at = SPEC.child('priorityLevelConfiguration', 'name');
  if (isBlank(level)) errors.push(requiredError(at, 'must reference a priority level'));
  else checkShape(errors, at, level, dns1123Subdomain);
  for (const [i, rule] of (spec.rules ?? []).entries()) checkFlowRule(errors, SPEC.child('rules').index(i), rule);
}
