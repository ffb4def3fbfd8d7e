/** IngressClasses. Source: Kubernetes `pkg/apis/networking`, 1.36. */
import { invalidError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { domainPrefixedPath } from '../../../../machinery/meta/value-shapes.ts';
import type { IngressClass } from '../../../../proto/api/networking-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkRequired } from '../validation/checks.ts';

const SPEC = FieldPath.of('spec');

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
    checkRequired(errors, SPEC.child('controller'), spec.controller, domainPrefixedPath);
    if (spec.parameters !== undefined) {
      checkRequired(errors, SPEC.child('parameters', 'kind'), spec.parameters.kind);
      checkRequired(errors, SPEC.child('parameters', 'name'), spec.parameters.name);
    }
    return errors;
  },
  validateUpdate({ spec }, { spec: older }) {
    if (spec.controller === older.controller) return [];
    return [invalidError(SPEC.child('controller'), spec.controller, 'field is immutable')];
  },
};
