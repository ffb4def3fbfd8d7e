/**
 * What spread and affinity mean, computed the slow way: every pod on every node is looked at, for every answer. Written after the documents, to
 * hold the plugins against.
 */
import { compileLabelSelector } from '../../../../machinery/meta/label-selector.ts';
import { nodeMatchesPod } from '../../../../machinery/meta/node-selector.ts';
import { untoleratedTaint } from '../../../../machinery/meta/tolerations.ts';
import type { Node, Pod, PodAffinityTerm, TopologySpreadConstraint } from '../../../../proto/api/core-v1.ts';
import type { Labels } from './plugin-world.ts';

/** A node with its pods. */
export interface Place {
  readonly node: Node;
  readonly pods: readonly Pod[];
}

export type NamespaceLabels = Readonly<Record<string, Labels>>;

const valueOf = ({ metadata }: Node, key: string): string | undefined => metadata.labels?.[key];

function termMeans(term: PodAffinityTerm, owner: Pod, other: Pod, namespaces: NamespaceLabels): boolean {
  const namespace = other.metadata.namespace ?? '';
  const named = term.namespaces ?? [];
  const bySelector =
    term.namespaceSelector !== undefined &&
    namespaces[namespace] !== undefined &&
    compileLabelSelector(term.namespaceSelector).matches(namespaces[namespace]);
  const isOwn =
    named.length === 0 && term.namespaceSelector === undefined && namespace === owner.metadata.namespace;
  const inNamespace = named.includes(namespace) || bySelector || isOwn;
  return inNamespace && compileLabelSelector(term.labelSelector).matches(other.metadata.labels);
}

const required = (pod: Pod, kind: 'podAffinity' | 'podAntiAffinity'): readonly PodAffinityTerm[] =>
  pod.spec.affinity?.[kind]?.requiredDuringSchedulingIgnoredDuringExecution ?? [];

export function naiveAffinity(pod: Pod, at: Node, places: readonly Place[], namespaces: NamespaceLabels): string | undefined {
  const affinity = required(pod, 'podAffinity');
  const friends = (other: Pod): boolean => affinity.every(term => termMeans(term, pod, other, namespaces));
  const near = (key: string, here: Node, holds: (other: Pod) => boolean): boolean =>
    places.some(
      ({ node, pods }) =>
        valueOf(here, key) !== undefined && valueOf(node, key) === valueOf(here, key) && pods.some(holds),
    );
  if (affinity.length > 0) {
    if (affinity.some(({ topologyKey }) => valueOf(at, topologyKey) === undefined))
      return "node(s) didn't match pod affinity rules";
    const isFirst = !places.some(
      ({ node, pods }) => affinity.some(term => valueOf(node, term.topologyKey) !== undefined) && pods.some(friends),
    );
    const all = affinity.every(({ topologyKey }) => near(topologyKey, at, friends));
    if (!all && !(isFirst && friends(pod))) return "node(s) didn't match pod affinity rules";
  }
  for (const term of required(pod, 'podAntiAffinity'))
    if (near(term.topologyKey, at, other => termMeans(term, pod, other, namespaces)))
      return "node(s) didn't match pod anti-affinity rules";
  for (const { node, pods } of places)
    for (const other of pods)
      for (const term of required(other, 'podAntiAffinity')) {
        const value = valueOf(node, term.topologyKey);
        if (value === undefined || value !== valueOf(at, term.topologyKey)) continue;
        if (termMeans(term, other, pod, namespaces)) return "node(s) didn't satisfy existing pods anti-affinity rules";
      }
  return undefined;
}

export function naiveAffinityScore(
  pod: Pod,
  at: Node,
  places: readonly Place[],
  namespaces: NamespaceLabels,
  hardWeight: number,
): number {
  let sum = 0;
  const add = (node: Node, term: PodAffinityTerm, weight: number): void => {
    const value = valueOf(at, term.topologyKey);
    if (value !== undefined && value === valueOf(node, term.topologyKey)) sum += weight;
  };
  const preferred = (owner: Pod): { term: PodAffinityTerm; weight: number }[] =>
    (['podAffinity', 'podAntiAffinity'] as const).flatMap(kind =>
      (owner.spec.affinity?.[kind]?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(each => ({
        term: each.podAffinityTerm,
        weight: kind === 'podAffinity' ? each.weight : -each.weight,
      })),
    );
  for (const { node, pods } of places)
    for (const other of pods) {
      for (const { term, weight } of preferred(pod)) if (termMeans(term, pod, other, namespaces)) add(node, term, weight);
      for (const { term, weight } of preferred(other)) if (termMeans(term, other, pod, namespaces)) add(node, term, weight);
      for (const term of required(other, 'podAffinity'))
        if (termMeans(term, other, pod, namespaces)) add(node, term, hardWeight);
    }
  return sum;
}

function spreadCounts(
  pod: Pod,
  constraint: TopologySpreadConstraint,
  places: readonly Place[],
  keys: readonly string[],
): Map<string, number> {
  const selector = compileLabelSelector(constraint.labelSelector);
  const counts = new Map<string, number>();
  for (const { node, pods } of places) {
    if (keys.some(key => valueOf(node, key) === undefined)) continue;
    if ((constraint.nodeAffinityPolicy ?? 'Honor') === 'Honor' && !nodeMatchesPod(pod, node)) continue;
    const effects = ['NoSchedule', 'NoExecute'];
    const taint = untoleratedTaint(node.spec.taints ?? [], pod.spec.tolerations ?? [], effects);
    if (constraint.nodeTaintsPolicy === 'Honor' && taint !== undefined) continue;
    const value = valueOf(node, constraint.topologyKey) ?? '';
    const matching = pods.filter(
      ({ metadata }) =>
        metadata.namespace === pod.metadata.namespace &&
        metadata.deletionTimestamp === undefined &&
        !selector.isEmpty &&
        selector.matches(metadata.labels),
    );
    counts.set(value, (counts.get(value) ?? 0) + matching.length);
  }
  return counts;
}

const constraintsOf = ({ spec }: Pod, action: string): TopologySpreadConstraint[] =>
  (spec.topologySpreadConstraints ?? []).filter(({ whenUnsatisfiable }) => whenUnsatisfiable === action);

export function naiveSpread(pod: Pod, at: Node, places: readonly Place[]): string | undefined {
  const constraints = constraintsOf(pod, 'DoNotSchedule');
  const keys = constraints.map(({ topologyKey }) => topologyKey);
  for (const constraint of constraints) {
    const value = valueOf(at, constraint.topologyKey);
    if (value === undefined) return "node(s) didn't match pod topology spread constraints (missing required label)";
    const counts = spreadCounts(pod, constraint, places, keys);
    const least = counts.size < (constraint.minDomains ?? 1) ? 0 : Math.min(...counts.values());
    const self = compileLabelSelector(constraint.labelSelector).matches(pod.metadata.labels) ? 1 : 0;
    if ((counts.get(value) ?? 0) + self - least > constraint.maxSkew)
      return "node(s) didn't match pod topology spread constraints";
  }
  return undefined;
}

/** For pods with constraints of their own. */
export function naiveSpreadScore(pod: Pod, at: Node, places: readonly Place[]): number {
  const constraints = constraintsOf(pod, 'ScheduleAnyway');
  const keys = constraints.map(({ topologyKey }) => topologyKey);
  const standing = places.filter(({ node }) => keys.every(key => valueOf(node, key) !== undefined));
  if (!standing.some(({ node }) => node === at)) return -1;
  let sum = 0;
  for (const constraint of constraints) {
    const counts = spreadCounts(pod, constraint, places, keys);
    const values = new Set(standing.map(({ node }) => valueOf(node, constraint.topologyKey)));
    const size = constraint.topologyKey === 'kubernetes.io/hostname' ? standing.length : values.size;
    const here = counts.get(valueOf(at, constraint.topologyKey) ?? '') ?? 0;
    sum += here * Math.log(size + 2) + constraint.maxSkew - 1;
  }
  return Math.round(sum);
}
