/** Containers of a pod as far as resources that are given to one alone are concerned. */
import type { Container, Pod, PodQOSClass } from '../../../../proto/api/core-v1.ts';
import { qosClassOf } from '../../../../machinery/meta/pod-resources.ts';
import { tryParseQuantity, type Quantity } from '../../../../machinery/meta/quantity.ts';
import { isSidecar } from '../../plan/pod-spec.ts';

/** Init containers first, in the order in which they start. Ephemeral ones are given nothing. */
export function givenContainers(pod: Pod): Container[] {
  return [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
}

/** Names of init containers that end before the main ones start: what they had serves the next. */
export function passingContainers(pod: Pod): ReadonlySet<string> {
  return new Set((pod.spec.initContainers ?? []).filter(container => !isSidecar(container)).map(({ name }) => name));
}

/** What the container asks for, its limit where it names no request. */
export function requestOf({ resources }: Container, name: string): Quantity | undefined {
  const text = resources?.requests?.[name] ?? resources?.limits?.[name];
  return text === undefined ? undefined : tryParseQuantity(text);
}

/**
 * Most of what the pod holds of something at a time: sidecars stay while later init containers run, which follow each other.
 * @param amountOf what one container asks for
 */
export function peakOf(pod: Pod, amountOf: (container: Container) => number): number {
  let sidecars = 0;
  let peak = 0;
  for (const container of pod.spec.initContainers ?? []) {
    const amount = amountOf(container);
    if (isSidecar(container)) sidecars += amount;
    peak = Math.max(peak, isSidecar(container) ? sidecars : sidecars + amount);
  }
  const main = pod.spec.containers.reduce((sum, container) => sum + amountOf(container), sidecars);
  return Math.max(peak, main);
}

/** Its class; pods with resources of their own as a whole get nothing for one container alone, as upstream. */
export function classForGiving(pod: Pod): PodQOSClass | undefined {
  const { resources } = pod.spec;
  return resources?.requests !== undefined || resources?.limits !== undefined ? undefined : qosClassOf(pod);
}
