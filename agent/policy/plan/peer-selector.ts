/** Which pods a set holds, whatever policy asked for it: policies that ask for the same pods share the set. */
import type { LabelSelector } from '../../../machinery/meta/label-selector.ts';
import type { Labels, PolicyPod } from './pod-facts.ts';
import type { Protocol } from './model.ts';

/** Pods by their labels, in one namespace or in those with certain labels. */
export interface PeerSelector {
  readonly namespaces: { readonly name: string } | { readonly selector: LabelSelector };
  readonly pods: LabelSelector;
}

/** Only pods with a port of that name, and that port of them. */
export interface PortOfPods {
  readonly name: string;
  readonly protocol: Protocol;
}

/** Two selectors with the same text select the same. */
export function selectorText({ namespaces, pods }: PeerSelector): string {
  const where =
    'name' in namespaces ? `namespace ${namespaces.name}` : `namespaces [${namespaces.selector.toString()}]`;
  return `${where} pods [${pods.toString()}]`;
}

/** @param labels undefined while nothing is known of the namespace */
export function selectsNamespace({ namespaces }: PeerSelector, name: string, labels: Labels | undefined): boolean {
  if ('name' in namespaces) return namespaces.name === name;
  return namespaces.selector.isEmpty || (labels !== undefined && namespaces.selector.matches(labels));
}

/** @param namespaceLabels undefined while nothing is known of the namespace */
export function selectsPod(selector: PeerSelector, pod: PolicyPod, namespaceLabels: Labels | undefined): boolean {
  return selector.pods.matches(pod.labels) && selectsNamespace(selector, pod.namespace, namespaceLabels);
}

/** The elements that a pod puts into a set, for one of its addresses. */
export function elementsOf(address: string, pod: PolicyPod, port: PortOfPods | undefined): readonly string[] {
  if (port === undefined) return [address];
  return pod.ports
    .filter(({ name, protocol }) => name === port.name && protocol === port.protocol)
    .map(found => `${address} ${found.protocol} ${found.port}`);
}
