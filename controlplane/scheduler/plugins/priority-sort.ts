/** The most important pod is tried first, of equals the one that waits longest. Source: upstream plugin PrioritySort. */
import type { Plugin } from '../framework/framework.ts';

export const prioritySort: Plugin = {
  name: 'PrioritySort',
  compare: (a, b) => b.priority - a.priority || a.order - b.order,
};
