import type { Rejection } from './rejection.ts';

/**
 * The sentence that tells a user why a pod waits, in upstream's words: reasons with their counts, sorted as text.
 * `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't match Pod's node affinity/selector.`
 */
export function explainRejections(nodeCount: number, rejections: ReadonlyMap<string, readonly Rejection[]>): string {
  if (nodeCount === 0) return 'no nodes available to schedule pods';
  // Most nodes share the list of their reasons with others.
  const lists = new Map<readonly Rejection[], number>();
  for (const reasons of rejections.values()) lists.set(reasons, (lists.get(reasons) ?? 0) + 1);
  const counts = new Map<string, number>();
  for (const [reasons, nodes] of lists)
    for (const { reason } of reasons) counts.set(reason, (counts.get(reason) ?? 0) + nodes);
  const parts = [...counts].map(([reason, n]) => `${n} ${reason}`).sort();
  const head = `0/${nodeCount} nodes are available`;
  return parts.length === 0 ? `${head}.` : `${head}: ${parts.join(', ')}.`;
}

/** As `explainRejections`, when one word (of a PreFilter plugin) turned down every node. */
export function explainTurnedDown(nodeCount: number, reason: string): string {
  return `0/${nodeCount} nodes are available: ${reason}.`;
}
