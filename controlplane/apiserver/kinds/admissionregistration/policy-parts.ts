/**
 * What policies of both kinds have in common: columns, what they match, the kind of their parameters, their bindings.
 * Source: Kubernetes `pkg/apis/admissionregistration` (validation, v1 defaults) and `pkg/printers`, 1.36.
 */
import {
  forbiddenError,
  invalidError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { validateLabelSelector } from '../../../../machinery/meta/label-selector.ts';
import { dns1035Label, dns1123Subdomain } from '../../../../machinery/meta/names.ts';
import type {
  MatchCondition,
  MatchResources,
  MutatingAdmissionPolicyBinding,
  ParamKind,
  ParamRef,
  ValidatingAdmissionPolicyBinding,
  Variable,
} from '../../../../proto/api/admissionregistration-v1.ts';
import type { Column } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { pathSegmentName } from '../rbac/path-segment-name.ts';
import { checkEnum, checkRequired, checkShape, isBlank } from '../../../../machinery/validation/checks.ts';
import { checkMatchConditions, checkVariables } from './expressions.ts';
import { checkMatchResources } from './match-rules.ts';

export const SPEC: FieldPath = FieldPath.of('spec');

interface PolicySpec {
  readonly failurePolicy?: string | undefined;
  readonly paramKind?: ParamKind | undefined;
  readonly matchConstraints?: MatchResources | undefined;
  readonly matchConditions?: MatchCondition[] | undefined;
  readonly variables?: Variable[] | undefined;
}
type Binding = MutatingAdmissionPolicyBinding | ValidatingAdmissionPolicyBinding;

export function policyColumns<T extends { spec: PolicySpec }>(
  countName: string,
  count: (policy: T) => number,
): Column<T & { metadata: object }>[] {
  return [
    nameColumn as Column<T & { metadata: object }>,
    column(countName, 'Number of expressions.', count, 'integer'),
    column('ParamKind', 'Kind of the parameters.', ({ spec: { paramKind } }) => {
      if (paramKind === undefined) return '<unset>';
      const { apiVersion = '', kind = '' } = paramKind;
      return apiVersion === '' ? kind : `${apiVersion}/${kind}`;
    }),
    ageColumn as Column<T & { metadata: object }>,
  ];
}

export function checkPolicy(errors: FieldError[], spec: PolicySpec): void {
  checkEnum(errors, SPEC.child('failurePolicy'), spec.failurePolicy, ['Fail', 'Ignore']);
  if (spec.paramKind !== undefined) checkParamKind(errors, SPEC.child('paramKind'), spec.paramKind);
  const at = SPEC.child('matchConstraints');
  if (spec.matchConstraints === undefined) errors.push(requiredError(at));
  else {
    checkMatchResources(errors, at, spec.matchConstraints);
    if ((spec.matchConstraints.resourceRules ?? []).length === 0) errors.push(requiredError(at.child('resourceRules')));
  }
  checkMatchConditions(errors, SPEC.child('matchConditions'), spec.matchConditions);
  checkVariables(errors, SPEC.child('variables'), spec.variables);
}

function checkParamKind(errors: FieldError[], path: FieldPath, { apiVersion, kind }: ParamKind): void {
  const at = path.child('apiVersion');
  const parts = (apiVersion ?? '').split('/');
  if (isBlank(apiVersion)) errors.push(requiredError(at));
  else if (parts.length > 2) errors.push(invalidError(at, apiVersion, `unexpected GroupVersion string: ${apiVersion}`));
  else {
    const [group, version] = parts.length === 1 ? ['', apiVersion] : [parts[0] ?? '', parts[1] ?? ''];
    if (group !== '') checkJoined(errors, at, group, dns1123Subdomain(group));
    if (version === '') errors.push(invalidError(at, apiVersion, 'version must be specified'));
    else checkJoined(errors, at, version, dns1035Label(version));
  }
  if (isBlank(kind)) errors.push(requiredError(path.child('kind')));
  else {
    const problems = dns1035Label(kind.toLowerCase());
    const text = `may have mixed case, but should otherwise match: ${problems.join(',')}`;
    if (problems.length > 0) errors.push(invalidError(path.child('kind'), kind, text));
  }
}

function checkJoined(errors: FieldError[], path: FieldPath, value: string, problems: readonly string[]): void {
  if (problems.length > 0) errors.push(invalidError(path, value, problems.join(',')));
}

export const bindingColumns: readonly Column<Binding>[] = [
  nameColumn,
  column('PolicyName', 'Policy that is put to use.', object => object.spec.policyName ?? ''),
  column('ParamRef', 'Parameters.', ({ spec: { paramRef } }) => {
    if (paramRef === undefined) return '<unset>';
    const { namespace, name, selector } = paramRef;
    const place = isBlank(namespace) ? '*' : namespace;
    if (!isBlank(name)) return `${place}/${name}`;
    return selector === undefined ? '<unset>' : `${place}/*`;
  }),
  ageColumn,
];

export function checkBinding(errors: FieldError[], { spec }: Binding): void {
  checkRequired(errors, SPEC.child('policyName'), spec.policyName, dns1123Subdomain);
  if (spec.paramRef !== undefined) checkParamRef(errors, SPEC.child('paramRef'), spec.paramRef);
  // Upstream's path.
  checkMatchResources(errors, SPEC.child('matchResouces'), spec.matchResources);
}

function checkParamRef(errors: FieldError[], path: FieldPath, ref: ParamRef): void {
  const { name, selector, parameterNotFoundAction: action } = ref;
  const exclusive = 'name and selector are mutually exclusive';
  if (!isBlank(name)) {
    checkShape(errors, path.child('name'), name, pathSegmentName);
    if (selector !== undefined) errors.push(forbiddenError(path.child('name'), exclusive));
  }
  if (selector !== undefined) {
    errors.push(...validateLabelSelector(selector, path.child('selector')));
    if (!isBlank(name)) errors.push(forbiddenError(path.child('selector'), exclusive));
  }
  if (isBlank(name) && selector === undefined)
    errors.push(requiredError(path, 'one of name or selector must be specified'));
  checkEnum(errors, path.child('parameterNotFoundAction'), action, ['Deny', 'Allow']);
}
