/** What the extenders that are interested in a pod say of the nodes that plugins found. */
import { errorText } from '../../../machinery/meta/error-text.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { Extender } from './extender.ts';
import type { Rejection } from './framework.ts';
import type { NodeInfo } from './node-info.ts';

/** As which plugin extenders stand in a diagnosis. */
export const EXTENDER_NAME = 'Extender';

export interface Consultation {
  /** Nodes that are left. */
  readonly nodeNames: ReadonlySet<string>;
  /** Nodes that were turned down with a reason; others are just not left. */
  readonly rejections: ReadonlyMap<string, readonly Rejection[]>;
  /** What is added to the scores of plugins, by node. */
  readonly scores: ReadonlyMap<string, number>;
}

/** Whether the pod's decision has to wait for an extender's answer. */
export function needsExtenders(extenders: readonly Extender[], pod: Pod): boolean {
  return extenders.some(extender => {
    const { canFilter, canPrioritize, canPreempt } = extender;
    return (canFilter || canPrioritize || canPreempt) && extender.isInterested(pod);
  });
}

/**
 * Asks them one after the other who may go, since each is shown what the others left, and then all at once for their scores.
 *
 * @throws ExtenderError of one that filters and is not ignorable; scores of one that fails do not count
 */
export async function consultExtenders(
  extenders: readonly Extender[],
  pod: Pod,
  nodes: readonly NodeInfo[],
  { signal, logger }: { signal: AbortSignal; logger: Logger },
): Promise<Consultation> {
  const interested = extenders.filter(extender => extender.isInterested(pod));
  const rejections = new Map<string, readonly Rejection[]>();
  const skipped = (extender: Extender, error: unknown): void =>
    logger.warn({ extender: extender.name, pod: pod.metadata.name, err: errorText(error) }, 'decided without it');
  let left = nodes;
  for (const extender of interested) {
    if (!extender.canFilter || left.length === 0) continue;
    try {
      const verdict = await extender.filter(pod, left, signal);
      for (const [name, rejection] of verdict.rejections)
        rejections.set(name, [...(rejections.get(name) ?? []), rejection]);
      left = left.filter(({ name }) => verdict.nodeNames.has(name));
    } catch (error) {
      if (signal.aborted || !extender.isIgnorable) throw error;
      skipped(extender, error);
    }
  }
  const scores = new Map<string, number>();
  // With one node there is nothing to choose.
  const scorers = left.length > 1 ? interested.filter(({ canPrioritize }) => canPrioritize) : [];
  const answers = await Promise.all(
    scorers.map(extender =>
      extender.prioritize(pod, left, signal).catch((error: unknown) => {
        if (signal.aborted) throw error;
        skipped(extender, error);
        return new Map<string, number>();
      }),
    ),
  );
  for (const answer of answers) for (const [name, score] of answer) scores.set(name, (scores.get(name) ?? 0) + score);
  return { nodeNames: new Set(left.map(({ name }) => name)), rejections, scores };
}
