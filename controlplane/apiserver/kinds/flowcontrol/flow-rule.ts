/** Validation of the rules by which FlowSchemas choose requests. Source: Kubernetes `pkg/apis/flowcontrol/validation`, 1.36. */
import {
  forbiddenError,
  invalidError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { dns1123Label, dns1123Subdomain } from '../../../../machinery/meta/names.ts';
import type {
  NonResourcePolicyRule,
  PolicyRulesWithSubjects,
  ResourcePolicyRule,
  Subject,
} from '../../../../proto/api/flowcontrol-v1.ts';
import { checkShape, isBlank } from '../../../../machinery/validation/checks.ts';

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'proxy', 'update', 'watch'];
const SUBJECTS = { User: 'user', Group: 'group', ServiceAccount: 'serviceAccount' } as const;
const NAMESPACE = "each member of this list must be '*' or a DNS-1123 label; ";

export function checkFlowRule(errors: FieldError[], path: FieldPath, rule: PolicyRulesWithSubjects): void {
  const { subjects = [], resourceRules = [], nonResourceRules = [] } = rule;
  if (subjects.length === 0)
    errors.push(requiredError(path.child('subjects'), 'subjects must contain at least one value'));
  for (const [i, subject] of subjects.entries()) checkSubject(errors, path.child('subjects').index(i), subject);
  if (resourceRules.length === 0 && nonResourceRules.length === 0)
    errors.push(requiredError(path, 'at least one of resourceRules and nonResourceRules has to be non-empty'));
  for (const [i, resource] of resourceRules.entries())
    checkResourceRule(errors, path.child('resourceRules').index(i), resource);
  for (const [i, other] of nonResourceRules.entries())
    checkNonResourceRule(errors, path.child('nonResourceRules').index(i), other);
}

function checkSubject(errors: FieldError[], path: FieldPath, subject: Subject): void {
  const own = Object.hasOwn(SUBJECTS, subject.kind) ? SUBJECTS[subject.kind as keyof typeof SUBJECTS] : undefined;
  if (own === undefined) {
    errors.push(notSupportedError(path.child('kind'), subject.kind ?? '', Object.keys(SUBJECTS)));
    return;
  }
  const at = path.child(own);
  const value = subject[own];
  if (value === undefined) errors.push(requiredError(at, `${own} is required when subject kind is '${subject.kind}'`));
  else {
    if (isBlank(value.name)) errors.push(requiredError(at.child('name')));
    if (own === 'serviceAccount') checkServiceAccount(errors, at, subject);
  }
  for (const [kind, field] of Object.entries(SUBJECTS)) {
    if (field !== own && subject[field] !== undefined)
      errors.push(forbiddenError(path.child(field), `${field} is forbidden when subject kind is not '${kind}'`));
  }
}

function checkServiceAccount(errors: FieldError[], path: FieldPath, { serviceAccount }: Subject): void {
  const { name, namespace } = serviceAccount ?? {};
  if (!isBlank(name) && name !== '*') checkShape(errors, path.child('name'), name, dns1123Subdomain);
  if (isBlank(namespace))
    errors.push(requiredError(path.child('namespace'), 'must specify namespace for service account'));
  else checkShape(errors, path.child('namespace'), namespace, dns1123Label);
}

function checkResourceRule(errors: FieldError[], path: FieldPath, rule: ResourcePolicyRule): void {
  checkVerbs(errors, path, rule.verbs);
  const { apiGroups = [], resources = [], namespaces = [], clusterScope } = rule;
  if (apiGroups.length === 0)
    errors.push(requiredError(path.child('apiGroups'), 'resource rules must supply at least one api group'));
  checkLoneStar(errors, path.child('apiGroups'), apiGroups, 'api groups');
  if (resources.length === 0)
    errors.push(requiredError(path.child('resources'), 'resource rules must supply at least one resource'));
  checkLoneStar(errors, path.child('resources'), resources, 'resources');
  const at = path.child('namespaces');
  if (namespaces.length === 0 && clusterScope !== true) {
    errors.push(requiredError(at, 'resource rules that are not cluster scoped must supply at least one namespace'));
  }
  if (checkLoneStar(errors, at, namespaces, 'namespaces')) return;
  for (const [i, namespace] of namespaces.entries())
    checkShape(errors, at.index(i), namespace, value => dns1123Label(value).map(problem => NAMESPACE + problem));
}

function checkNonResourceRule(errors: FieldError[], path: FieldPath, rule: NonResourcePolicyRule): void {
  checkVerbs(errors, path, rule.verbs);
  const urls = rule.nonResourceURLs ?? [];
  const at = path.child('nonResourceURLs');
  if (urls.length === 0) errors.push(requiredError(at, 'nonResourceURLs must contain at least one value'));
  if (checkLoneStar(errors, at, urls, 'non-resource URLs')) return;
  for (const [i, url] of urls.entries()) checkShape(errors, at.index(i), url, urlProblems);
}

function checkVerbs(errors: FieldError[], path: FieldPath, verbs: readonly string[] = []): void {
  const at = path.child('verbs');
  if (verbs.length === 0) errors.push(requiredError(at, 'verbs must contain at least one value'));
  if (!checkLoneStar(errors, at, verbs, 'verbs') && !verbs.every(verb => VERBS.includes(verb)))
    errors.push(notSupportedError(at, verbs, VERBS));
}

/** @returns whether there is a star, which must be alone */
function checkLoneStar(errors: FieldError[], path: FieldPath, values: readonly string[], what: string): boolean {
  if (!values.includes('*')) return false;
  if (values.length > 1) errors.push(invalidError(path, values, `if '*' is present, must not specify other ${what}`));
  return true;
}

function urlProblems(url: string): string[] {
  if (url === '') return ['must not be empty'];
  if (url === '/') return [];
  if (!url.startsWith('/')) return ['must start with slash'];
  if (url.includes(' ')) return ['must not contain white-space'];
  if (url.includes('//')) return ['must not contain double slash'];
  const stars = url.split('*').length - 1;
  return stars > 1 || (stars === 1 && !url.endsWith('/*')) ? ['wildcard can only do suffix matching'] : [];
}
