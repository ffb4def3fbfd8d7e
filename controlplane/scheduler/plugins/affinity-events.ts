/**
 * What may make a pod fit that (anti-)affinity kept away. Source: upstream plugin InterPodAffinity, 1.36.
 *
 * Differs: wakes the pod for more than upstream does, where upstream would let it wait in error: a placed pod that refused it goes, one of several
 * anti-affinity terms holds again, the last match of a group's first pod goes, a namespace comes to be meant, a node comes although only other pods'
 * terms were in the way.
 */
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import type { Namespace, Node, Pod, PodAffinityTerm } from '../../../proto/api/core-v1.ts';
import type { ClusterEvent } from '../framework/cluster-event.ts';
import { matchesAll, requiredTerms, type NamespaceSource } from '../plan/pod-affinity-terms.ts';
import { compilePlacedTerm, termMatches, topologyValue, type CompiledTerm } from '../plan/topology.ts';

interface Terms {
  readonly affinity: readonly CompiledTerm[];
  readonly antiAffinity: readonly CompiledTerm[];
}

type Resolve = (pod: Pod, terms: readonly PodAffinityTerm[]) => readonly CompiledTerm[];

export function affinityEvents(resolve: Resolve, source: NamespaceSource): readonly ClusterEvent[] {
  /** Of waiting pods, which are asked about with every pod that comes or goes. */
  const known = new WeakMap<Pod, Terms>();
  const termsOf = (pod: Pod): Terms => {
    const held = known.get(pod);
    if (held !== undefined) return held;
    const [affinity, antiAffinity] = [requiredTerms(pod, 'podAffinity'), requiredTerms(pod, 'podAntiAffinity')];
    const terms = { affinity: resolve(pod, affinity), antiAffinity: resolve(pod, antiAffinity) };
    // Which namespaces a selector means changes.
    if (![...affinity, ...antiAffinity].some(term => term.namespaceSelector !== undefined)) known.set(pod, terms);
    return terms;
  };
  const podMayHelp = (pod: Pod, older: Pod | undefined, newer: Pod | undefined): boolean => {
    // Its own labels decide whom it matches, and who refuses it.
    if (newer?.metadata.uid === pod.metadata.uid) return true;
    if (((newer ?? older)?.spec.nodeName ?? '') === '') return false;
    const { affinity, antiAffinity } = termsOf(pod);
    const before = older !== undefined && matchesAll(affinity, older);
    const now = newer !== undefined && matchesAll(affinity, newer);
    if (!before && now) return true;
    // It may become the first of its group.
    if (before && !now && matchesAll(affinity, pod)) return true;
    if (older === undefined) return false;
    const leavesAlone = (term: CompiledTerm): boolean =>
      matchesAll([term], older) && (newer === undefined || !matchesAll([term], newer));
    return antiAffinity.some(leavesAlone) || (newer === undefined && refuses(older, pod, source));
  };
  return [
    {
      resource: 'Pod',
      actions: ['AssignedPodAdd', 'AssignedPodDelete', 'UpdatePodLabel'],
      hint: (pod, older, newer) =>
        podMayHelp(pod, older as Pod | undefined, newer as Pod | undefined) ? 'queue' : 'skip',
    },
    {
      resource: 'Node',
      actions: ['Add', 'UpdateNodeLabel'],
      hint: (pod, older, newer) => (nodeMayHelp(pod, older as Node | undefined, newer as Node) ? 'queue' : 'skip'),
    },
    {
      resource: 'Namespace',
      actions: ['Add', 'Update'],
      hint: (pod, older, newer) =>
        namespaceMayHelp(pod, older as Namespace | undefined, newer as Namespace) ? 'queue' : 'skip',
    },
  ];
}

function refuses(placed: Pod, pod: Pod, source: NamespaceSource): boolean {
  const labels = source.labelsOf(pod.metadata.namespace ?? '');
  return requiredTerms(placed, 'podAntiAffinity').some(term =>
    termMatches(compilePlacedTerm(term, placed.metadata.namespace ?? ''), pod, labels),
  );
}

function nodeMayHelp(pod: Pod, older: Node | undefined, newer: Node): boolean {
  if (requiredTerms(pod, 'podAffinity').some(({ topologyKey }) => topologyValue(newer, topologyKey) === undefined))
    return false;
  return older === undefined || !jsonEquals(older.metadata.labels, newer.metadata.labels);
}

/** Labels of the pod's own namespace decide who refuses it; those of others matter to terms that select by them. */
function namespaceMayHelp(pod: Pod, older: Namespace | undefined, newer: Namespace): boolean {
  if (older !== undefined && jsonEquals(older.metadata.labels, newer.metadata.labels)) return false;
  const terms = [...requiredTerms(pod, 'podAffinity'), ...requiredTerms(pod, 'podAntiAffinity')];
  return newer.metadata.name === pod.metadata.namespace || terms.some(term => term.namespaceSelector !== undefined);
}
