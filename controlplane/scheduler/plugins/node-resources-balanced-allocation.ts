/**
 * Prefers nodes whose resources would be used to the same degree. A pod that asks for none of them has no say: many of those would all go to one
 * node. Source: upstream plugin NodeResourcesBalancedAllocation.
 */
import type { Plugin } from '../framework/framework.ts';
import { balanced, NodeResourceScorer } from '../plan/resource-scores.ts';
import { podRequest, type ResourceSum } from '../plan/resources.ts';
import { pluginArgs } from './plugin-args.ts';

const NAME = 'NodeResourcesBalancedAllocation';

export function nodeResourcesBalancedAllocation(args: unknown): Plugin {
  const scorer = new NodeResourceScorer(pluginArgs(NAME, args).resources, balanced, 'requested');
  return {
    name: NAME,
    preScore(state, pod) {
      const request = podRequest(pod);
      if (scorer.asksForNothing(request)) return 'skip';
      state.write(NAME, request);
      return undefined;
    },
    score: (state, pod, info) => scorer.score(state.find<ResourceSum>(NAME) ?? podRequest(pod), info),
  };
}
