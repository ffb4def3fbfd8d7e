/**
 * nodeSelector, required and preferred node affinity, and the affinity that a profile adds to every pod's (`addedAffinity`).
 * Source: upstream plugin NodeAffinity.
 */
import { matchesNodeSelector, matchesNodeSelectorTerm } from '../../../machinery/meta/node-selector.ts';
import type { Node, Pod, PreferredSchedulingTerm } from '../../../proto/api/core-v1.ts';
import type { Plugin } from '../framework/framework.ts';
import { normalizeByMax } from '../framework/run-plugins.ts';
import { nodeNamesOf, nodeTestOf, type NodeTest } from '../plan/node-requirements.ts';
import { pluginArgs } from './plugin-args.ts';

const NAME = 'NodeAffinity';
const NOT_THE_PODS = [{ reason: "node(s) didn't match Pod's node affinity/selector", unresolvable: true }];
const NOT_THE_PROFILES = [{ reason: "node(s) didn't match scheduler-enforced node affinity", unresolvable: true }];
const CONFLICT = { reason: 'pod affinity terms conflict', unresolvable: true };

const anyNode: NodeTest = () => true;

export function nodeAffinity(args: unknown): Plugin {
  const { addedAffinity } = pluginArgs(NAME, args);
  const required = addedAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const added = required === undefined ? undefined : (node: Node) => matchesNodeSelector(required, node);
  const addedPreferred = addedAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  return {
    name: NAME,
    preFilter(state, pod) {
      const test = nodeTestOf(pod);
      if (test === undefined && added === undefined) return 'skip';
      state.write(NAME, test ?? anyNode);
      const nodeNames = nodeNamesOf(pod);
      if (nodeNames === undefined) return undefined;
      return nodeNames.size === 0 ? CONFLICT : { nodeNames };
    },
    filter(state, pod, { node }) {
      if (added?.(node) === false) return NOT_THE_PROFILES;
      const test = state.find<NodeTest>(NAME) ?? nodeTestOf(pod) ?? anyNode;
      return test(node) ? undefined : NOT_THE_PODS;
    },
    preScore: (_state, pod) => (preferredOf(pod).length + addedPreferred.length === 0 ? 'skip' : undefined),
    score: (_state, pod, { node }) => weightOf(addedPreferred, node) + weightOf(preferredOf(pod), node),
    normalize: (_state, _pod, scores) => normalizeByMax(scores),
    eventsToRegister: () => [
      {
        resource: 'Node',
        actions: ['Add', 'UpdateNodeLabel'],
        hint(pod, older, newer) {
          const test = nodeTestOf(pod) ?? anyNode;
          const suits = (node: Node): boolean => added?.(node) !== false && test(node);
          return suits(newer as Node) && (older === undefined || !suits(older as Node)) ? 'queue' : 'skip';
        },
      },
    ],
  };
}

function preferredOf({ spec }: Pod): readonly PreferredSchedulingTerm[] {
  return spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
}

function weightOf(terms: readonly PreferredSchedulingTerm[], node: Node): number {
  let sum = 0;
  for (const { preference, weight } of terms) if (matchesNodeSelectorTerm(preference, node)) sum += weight;
  return sum;
}
