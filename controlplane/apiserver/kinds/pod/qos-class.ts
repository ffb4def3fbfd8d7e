/**
 * The quality of service that a pod's requests and limits earn it.
 * Source: Kubernetes `pkg/apis/core/helper/qos`, 1.36.
 */
import { tryParseQuantity } from '../../../../machinery/meta/quantity.ts';
import type { PodQOSClass, PodSpec, ResourceRequirements } from '../../../../proto/api/core-v1.ts';

const COMPUTE = ['cpu', 'memory'];

/** Decided once, when the pod is created. */
export function qosClass(spec: PodSpec): PodQOSClass {
  const whole = spec.resources;
  if (whole !== undefined && (amounts(whole.requests).size > 0 || amounts(whole.limits).size > 0))
    return classOf([whole]);
  return classOf(
    [...(spec.initContainers ?? []), ...(spec.containers ?? [])].map(container => container.resources ?? {}),
  );
}

function classOf(all: readonly ResourceRequirements[]): PodQOSClass {
  let any = false;
  let guaranteed = true;
  for (const { requests, limits } of all) {
    const asked = amounts(requests);
    const bounded = amounts(limits);
    if (asked.size > 0 || bounded.size > 0) any = true;
    for (const name of COMPUTE) {
      const limit = bounded.get(name);
      if (limit === undefined || (asked.get(name) ?? limit) !== limit) guaranteed = false;
    }
  }
  if (!any) return 'BestEffort';
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

function amounts(list: Readonly<Record<string, string>> | undefined): Map<string, bigint> {
  const found = new Map<string, bigint>();
  for (const name of COMPUTE) {
    const quantity = list?.[name] === undefined ? undefined : tryParseQuantity(String(list[name]));
    if (quantity !== undefined && quantity.sign() > 0) found.set(name, quantity.nanos);
  }
  return found;
}
