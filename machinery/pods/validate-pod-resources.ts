/**
 * Resources of a pod as a whole, and that its containers fit in. Source: Kubernetes `pkg/apis/core/validation`
 * (validatePodResources), 1.36; KEP-2837.
 */
import { forbiddenError, invalidError, notSupportedError, type FieldError } from '../meta/field-error.ts';
import type { FieldPath } from '../meta/field-path.ts';
import { parseAmounts } from '../meta/pod-resources.ts';
import { Quantity } from '../meta/quantity.ts';
import type { PodSpec } from '../../proto/api/core-v1.ts';
import { containerRequests } from './container-requests.ts';
import { checkResourceName, isHugePages } from '../validation/resource-list.ts';
import { checkAmounts } from './validate-resources.ts';

const SUPPORTED = ['cpu', 'hugepages-', 'memory'];

export function checkPodResources(errors: FieldError[], path: FieldPath, spec: PodSpec): void {
  const { resources } = spec;
  if (resources === undefined) return;
  if (resources.claims !== undefined)
    errors.push(forbiddenError(path.child('claims'), 'claims cannot be set for Resources at pod-level'));
  checkAmounts(errors, path, resources, checkPodResourceName);
  const podRequests = parseAmounts(resources.requests);
  for (const [name, amount] of containerRequests(spec)) {
    const own = podRequests.get(name) ?? Quantity.zero;
    if (amount.compare(own) <= 0) continue;
    const why = `must be greater than or equal to aggregate container requests of ${amount.toString()}`;
    errors.push(invalidError(path.child('requests').key(name), own.toString(), why));
  }
  const podLimits = parseAmounts(resources.limits);
  for (const [i, container] of (spec.containers ?? []).entries()) {
    for (const [name, amount] of parseAmounts(container.resources?.limits)) {
      const own = podLimits.get(name);
      if (own === undefined || amount.compare(own) <= 0) continue;
      const at = path.child('containers').index(i).key(name).child('limits');
      errors.push(invalidError(at, amount.toString(), `must be less than or equal to pod limits of ${own.toString()}`));
    }
  }
}

function checkPodResourceName(errors: FieldError[], path: FieldPath, name: string): void {
  const before = errors.length;
  checkResourceName(errors, path, name);
  if (errors.length > before || name === 'cpu' || name === 'memory' || isHugePages(name)) return;
  errors.push(notSupportedError(path, name, SUPPORTED));
}
