/**
 * Which pods belong together with a pod, by what selects it: its services and the controller that owns it. Pure.
 * Source: upstream `plugins/helper/spread.go`, DefaultSelector.
 */
import { compileLabelSelector, LabelSelector, selectorFromSet } from '../../../machinery/meta/label-selector.ts';
import type { LabelSelector as LabelSelectorObject } from '../../../proto/api/meta-v1.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import { controllerOf } from '../../../machinery/meta/object.ts';

/** Where selectors of services and controllers are looked up. */
export interface SelectorSources {
  /** Selectors of services that select the pod. */
  serviceSelectors(pod: Pod): Iterable<Readonly<Record<string, string>>>;
  /** The pod's controller's selector; undefined for kinds that are not known, and if it is not there. */
  controllerSelector(
    namespace: string,
    apiVersion: string,
    kind: string,
    name: string,
  ): LabelSelectorObject | undefined;
}

/** Empty when nothing selects the pod. */
export function defaultSelector(pod: Pod, sources: SelectorSources): LabelSelector {
  const labels: Record<string, string> = {};
  for (const selector of sources.serviceSelectors(pod)) Object.assign(labels, selector);
  const { requirements } = selectorFromSet(labels);
  const owner = controllerOf(pod);
  if (owner === undefined) return new LabelSelector(requirements);
  const { namespace = '' } = pod.metadata;
  const selector = sources.controllerSelector(namespace, owner.apiVersion, owner.kind, owner.name);
  if (selector === undefined) return new LabelSelector(requirements);
  return new LabelSelector([...requirements, ...compileLabelSelector(selector).requirements]);
}
