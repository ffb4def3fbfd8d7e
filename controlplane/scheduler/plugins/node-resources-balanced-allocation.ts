/**
 * Prefers nodes whose resources would be used to the same degree. A pod that asks for none of them has no say: many of those would all go to one
 * node. Source: upstream plugin NodeResourcesBalancedAllocation.
 */
import type { Plugin } from '../framework/framework.ts';
import { balanced, NodeResourceScorer } from '../plan/resource-scores.ts';
import { podRequest } from '../plan/resources.ts';
import { pluginArgs } from './plugin-args.ts';

const NAME = 'NodeResourcesBalancedAllocation';

export function nodeResourcesBalancedAllocation(args: unknown): Plugin {
  const scorer = new NodeResourceScorer(pluginArgs(NAME, args).resources, balanced, 'requested');
  return {
    name: NAME,
    preScore: (_state, pod) => (scorer.asksForNothing(podRequest(pod)) ? 'skip' : undefined),
    score: (_state, pod, info) => scorer.score(podRequest(pod), info),
  };
}
