/** RoleBindings and ClusterRoleBindings. Source: Kubernetes `pkg/apis/rbac`, 1.36. */
import {
  notSupportedError,
  requiredError,
  invalidError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { jsonEquals } from '../../../../machinery/meta/json-value.ts';
import { dns1123Subdomain } from '../../../../machinery/meta/names.ts';
import type { ClusterRoleBinding, RoleBinding, Subject } from '../../../../proto/api/rbac-v1.ts';
import type { Column, Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn, wide } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkEnum, checkShape, isBlank } from '../../../../machinery/validation/checks.ts';
import { pathSegmentName } from './path-segment-name.ts';

const GROUP = 'rbac.authorization.k8s.io';
type Binding = RoleBinding | ClusterRoleBinding;

const columns: readonly Column<Binding>[] = [
  nameColumn,
  column('Role', 'Role that is granted.', binding => `${binding.roleRef?.kind ?? ''}/${binding.roleRef?.name ?? ''}`),
  ageColumn,
  wide('Users', 'Users who get it.', binding => subjectsText(binding, 'User')),
  wide('Groups', 'Groups that get it.', binding => subjectsText(binding, 'Group')),
  wide('ServiceAccounts', 'Service accounts that get it.', binding => subjectsText(binding, 'ServiceAccount')),
];

export const roleBindingStrategy: Strategy<RoleBinding> = bindingStrategy('RoleBinding', ['Role', 'ClusterRole']);
export const clusterRoleBindingStrategy: Strategy<ClusterRoleBinding> = bindingStrategy('ClusterRoleBinding', [
  'ClusterRole',
]);

function bindingStrategy<T extends Binding>(kind: string, roleKinds: readonly string[]): Strategy<T> {
  const namespaced = kind === 'RoleBinding';
  return {
    info: kindInfo(GROUP, kind),
    tracksGeneration: false,
    columns,
    allowUnconditionalUpdate: true,
    allowCreateOnUpdate: true,
    validateName: pathSegmentName,
    default(binding) {
      if (binding.roleRef !== undefined) binding.roleRef.apiGroup ||= GROUP;
      for (const subject of binding.subjects ?? []) {
        if (subject.kind === 'User' || subject.kind === 'Group') subject.apiGroup ||= GROUP;
      }
    },
    validate(binding) {
      const errors: FieldError[] = [];
      const at = FieldPath.of('roleRef');
      checkEnum(errors, at.child('apiGroup'), binding.roleRef?.apiGroup, [GROUP], 'unsupported');
      checkEnum(errors, at.child('kind'), binding.roleRef?.kind, roleKinds, 'unsupported');
      if (isBlank(binding.roleRef?.name)) errors.push(requiredError(at.child('name')));
      else checkShape(errors, at.child('name'), binding.roleRef.name, pathSegmentName);
      for (const [i, subject] of (binding.subjects ?? []).entries()) {
        checkSubject(errors, FieldPath.of('subjects').index(i), subject, namespaced);
      }
      return errors;
    },
    validateUpdate(binding, older) {
      if (jsonEquals(binding.roleRef, older.roleRef)) return [];
      return [invalidError('roleRef', binding.roleRef, 'cannot change roleRef')];
    },
  };
}

/** @param namespaced a service account without a namespace is looked for where the binding is */
function checkSubject(errors: FieldError[], path: FieldPath, subject: Subject, namespaced: boolean): void {
  if (isBlank(subject.name)) errors.push(requiredError(path.child('name')));
  switch (subject.kind) {
    case 'ServiceAccount':
      if (!isBlank(subject.name)) checkShape(errors, path.child('name'), subject.name, dns1123Subdomain);
      if (!isBlank(subject.apiGroup)) errors.push(notSupportedError(path.child('apiGroup'), subject.apiGroup, ['']));
      if (!namespaced && isBlank(subject.namespace)) errors.push(requiredError(path.child('namespace')));
      return;
    case 'User':
    case 'Group':
      if (subject.apiGroup !== GROUP)
        errors.push(notSupportedError(path.child('apiGroup'), subject.apiGroup ?? '', [GROUP]));
      return;
    default:
      errors.push(notSupportedError(path.child('kind'), subject.kind ?? '', ['ServiceAccount', 'User', 'Group']));
  }
}

function subjectsText(binding: Binding, kind: string): string {
  return (binding.subjects ?? [])
    .filter(subject => subject.kind === kind)
    .map(subject =>
      kind === 'ServiceAccount' && !isBlank(subject.namespace) ? `${subject.namespace}/${subject.name}` : subject.name,
    )
    .join(', ');
}
