/** IngressClasses. Source: Kubernetes `pkg/apis/networking`, 1.36. */
import {
  forbiddenError,
  requiredError,
  tooLongError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { dns1123Label, dns1123Subdomain } from '../../../../machinery/meta/names.ts';
import type { IngressClass, IngressClassParametersReference } from '../../../../proto/api/networking-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { pathSegmentName } from '../rbac/path-segment-name.ts';
import { checkEnum, checkImmutable, checkRequired, checkShape } from '../../../../machinery/validation/checks.ts';
import { checkDomainPrefixedPath } from '../validation/domain-prefixed-path.ts';

const SPEC = FieldPath.of('spec');
const MAX_CONTROLLER = 250;

export const ingressClassStrategy: Strategy<IngressClass> = {
  info: kindInfo('networking.k8s.io', 'IngressClass'),
  tracksGeneration: true,
  columns: [
    nameColumn,
    column('Controller', 'Who implements the class.', ic => ic.spec.controller ?? ''),
    column('Parameters', 'Object with further settings.', ({ spec: { parameters } }) => {
      if (parameters === undefined) return '<none>';
      const group = parameters.apiGroup ? `.${parameters.apiGroup}` : '';
      return `${parameters.kind}${group}/${parameters.name}`;
    }),
    ageColumn,
  ],
  allowUnconditionalUpdate: true,
  default(ic) {
    if (ic.spec.parameters !== undefined) ic.spec.parameters.scope ??= 'Cluster';
  },
  validate({ spec }) {
    const errors: FieldError[] = [];
    checkDomainPrefixedPath(errors, SPEC.child('controller'), spec.controller);
    if ((spec.controller ?? '').length > MAX_CONTROLLER)
      errors.push(tooLongError(SPEC.child('controller'), MAX_CONTROLLER));
    if (spec.parameters !== undefined) checkParameters(errors, SPEC.child('parameters'), spec.parameters);
    return errors;
  },
  validateUpdate({ spec }, { spec: older }) {
    const errors: FieldError[] = [];
    checkImmutable(errors, SPEC.child('controller'), spec.controller, older.controller);
    return errors;
  },
};

function checkParameters(errors: FieldError[], path: FieldPath, parameters: IngressClassParametersReference): void {
  const { apiGroup, scope, namespace } = parameters;
  if (apiGroup !== undefined) checkShape(errors, path.child('apiGroup'), apiGroup, dns1123Subdomain);
  for (const field of ['kind', 'name'] as const)
    checkRequired(errors, path.child(field), parameters[field], pathSegmentName);
  checkEnum(errors, path.child('scope'), scope, ['Cluster', 'Namespace'], 'unsupported');
  const at = path.child('namespace');
  if (scope === 'Namespace') {
    if (namespace === undefined) errors.push(requiredError(at, "`parameters.scope` is set to 'Namespace'"));
    else checkShape(errors, at, namespace, dns1123Label);
  } else if (scope === 'Cluster' && namespace !== undefined)
    errors.push(forbiddenError(at, "`parameters.scope` is set to 'Cluster'"));
}
