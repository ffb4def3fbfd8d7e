/**
 * Which objects a ResourceQuota with scopes is for. Pure.
 * Source: the behaviour of upstream `pkg/quota/v1/evaluator/core`: podMatchesScopeFunc, pvcMatchesScopeFunc.
 */
import type {
  PersistentVolumeClaim,
  Pod,
  ResourceQuota,
  ScopedResourceSelectorRequirement,
} from '../../proto/api/core-v1.ts';
import type { KubeObject } from './object.ts';
import { qosClassOf } from './pod-resources.ts';
import type { CountedKind } from './quota-usage.ts';

/** Whether the quota's scopes, if it has any, take the object in. Only pods and claims have scopes. */
export function inQuotaScope({ spec }: ResourceQuota, kind: CountedKind, object: KubeObject): boolean {
  const selectors: ScopedResourceSelectorRequirement[] = [
    ...(spec.scopes ?? []).map(scopeName => ({ scopeName, operator: 'Exists' })),
    ...(spec.scopeSelector?.matchExpressions ?? []),
  ];
  return selectors.every(selector => matchesScope(selector, kind, object));
}

function matchesScope(
  selector: ScopedResourceSelectorRequirement,
  { group, resource }: CountedKind,
  object: KubeObject,
): boolean {
  if (group !== '') return false;
  if (resource === 'persistentvolumeclaims') {
    if (selector.scopeName !== 'VolumeAttributesClass') return false;
    const named = attributesClassesOf(object as PersistentVolumeClaim);
    return named.length === 0 ? matchesName(selector) : named.some(name => matchesName(selector, name));
  }
  if (resource !== 'pods') return false;
  const pod = object as Pod;
  switch (selector.scopeName) {
    case 'Terminating':
      return pod.spec.activeDeadlineSeconds !== undefined;
    case 'NotTerminating':
      return pod.spec.activeDeadlineSeconds === undefined;
    case 'BestEffort':
      return qosClassOf(pod) === 'BestEffort';
    case 'NotBestEffort':
      return qosClassOf(pod) !== 'BestEffort';
    case 'PriorityClass':
      return matchesName(selector, pod.spec.priorityClassName);
    case 'CrossNamespacePodAffinity':
      return usesOtherNamespaces(pod);
    default:
      return false;
  }
}

/** All that a claim has, wants, or is about to have: while one takes the place of another it counts for both. */
function attributesClassesOf({ spec, status }: PersistentVolumeClaim): string[] {
  const { currentVolumeAttributesClassName, modifyVolumeStatus } = status ?? {};
  const names = [
    spec?.volumeAttributesClassName,
    currentVolumeAttributesClassName,
    modifyVolumeStatus?.targetVolumeAttributesClassName,
  ];
  return names.filter(name => name !== undefined && name !== '') as string[];
}

function matchesName({ operator, values = [] }: ScopedResourceSelectorRequirement, name = ''): boolean {
  switch (operator) {
    case 'In':
      return values.includes(name);
    case 'NotIn':
      return !values.includes(name);
    case 'Exists':
      return name !== '';
    default:
      return name === '';
  }
}

function usesOtherNamespaces({ spec }: Pod): boolean {
  const { podAffinity, podAntiAffinity } = spec.affinity ?? {};
  return [podAffinity, podAntiAffinity].some(affinity =>
    [
      ...(affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
      ...(affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(term => term.podAffinityTerm),
    ].some(term => (term.namespaces ?? []).length > 0 || term.namespaceSelector !== undefined),
  );
}
