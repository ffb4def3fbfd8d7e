/** Prefers nodes whose cpu and memory would be used to the same degree. Source: upstream plugin NodeResourcesBalancedAllocation. */
import { MAX_NODE_SCORE, type Plugin } from '../framework/framework.ts';
import { podRequest } from '../plan/resources.ts';
import { freeShare } from './node-resources-fit.ts';

export const nodeResourcesBalancedAllocation: Plugin = {
  name: 'NodeResourcesBalancedAllocation',
  score(_state, pod, info) {
    const request = podRequest(pod);
    const deviation = Math.abs(freeShare(info, request, 'cpu') - freeShare(info, request, 'memory')) / 2;
    return Math.floor((1 - deviation) * MAX_NODE_SCORE);
  },
};
