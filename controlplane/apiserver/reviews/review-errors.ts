/** Validation of access reviews. Source: Kubernetes `pkg/apis/authorization/validation`, 1.36. */
import {
  invalidError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../machinery/meta/field-path.ts';
import type {
  ResourceAttributes,
  SelfSubjectAccessReviewSpec,
  SubjectAccessReviewSpec,
} from '../../../proto/api/authorization-v1.ts';
import type { ObjectMeta } from '../../../proto/api/meta-v1.ts';

const SPEC = FieldPath.of('spec');
const OPERATORS = ['DoesNotExist', 'Exists', 'In', 'NotIn'];

interface Review {
  readonly metadata?: ObjectMeta;
  readonly spec?: SubjectAccessReviewSpec | SelfSubjectAccessReviewSpec;
}
type Selector = NonNullable<ResourceAttributes['fieldSelector'] | ResourceAttributes['labelSelector']>;

export function reviewErrors(kind: string, { metadata = {}, spec = {} }: Review): FieldError[] {
  const errors: FieldError[] = [];
  const { resourceAttributes: resource, nonResourceAttributes: path } = spec;
  if (resource !== undefined && path !== undefined) {
    const why = 'cannot be specified in combination with resourceAttributes';
    errors.push(invalidError(SPEC.child('nonResourceAttributes'), path, why));
  }
  if (resource === undefined && path === undefined) {
    const why = 'exactly one of nonResourceAttributes or resourceAttributes must be specified';
    errors.push(invalidError(SPEC.child('resourceAttributes'), undefined, why));
  }
  if (kind !== 'SelfSubjectAccessReview') {
    const { user = '', groups = [] } = spec as SubjectAccessReviewSpec;
    if (user === '' && groups.length === 0)
      errors.push(invalidError(SPEC.child('user'), user, 'at least one of user or group must be specified'));
  }
  for (const field of ['fieldSelector', 'labelSelector'] as const) {
    const selector = resource?.[field];
    if (selector !== undefined) checkSelector(errors, SPEC.child('resourceAttributes', field), selector);
  }
  const isLocal = kind === 'LocalSubjectAccessReview';
  const { managedFields: _, creationTimestamp: __, namespace, ...rest } = metadata;
  const { generation: ___, ...stated } = rest;
  const isNamed = !isLocal && namespace !== undefined && namespace !== '';
  if (Object.keys(stated).length > 0 || isNamed)
    errors.push(invalidError('metadata', metadata, isLocal ? 'must be empty except for namespace' : 'must be empty'));
  if (!isLocal) return errors;
  const at = SPEC.child('resourceAttributes', 'namespace');
  if (resource !== undefined && (resource.namespace ?? '') !== (namespace ?? ''))
    errors.push(invalidError(at, resource.namespace ?? '', 'must match metadata.namespace'));
  if (path !== undefined)
    errors.push(invalidError(SPEC.child('nonResourceAttributes'), path, 'disallowed on this kind of request'));
  return errors;
}

function checkSelector(errors: FieldError[], path: FieldPath, selector: Selector): void {
  const { rawSelector = '', requirements = [] } = selector;
  if (rawSelector !== '' && requirements.length > 0) {
    const why = 'may not specified at the same time as requirements';
    errors.push(invalidError(path.child('rawSelector'), rawSelector, why));
  }
  if (rawSelector === '' && requirements.length === 0)
    errors.push(
      requiredError(path.child('requirements'), 'when specifying a selector, requirements or rawSelector is required'),
    );
  for (const [i, { key = '', operator, values = [] }] of requirements.entries()) {
    const at = path.child('requirements').index(i);
    if (key === '') errors.push(requiredError(at.child('key'), 'must be specified'));
    if (operator === 'In' || operator === 'NotIn') {
      if (values.length === 0)
        errors.push(requiredError(at.child('values'), "must be specified when `operator` is 'In' or 'NotIn'"));
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      const why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
      if (values.length > 0) errors.push(invalidError(at.child('values'), values, why));
    } else errors.push(notSupportedError(at.child('operator'), operator ?? '', OPERATORS));
  }
}
