/** Lets the extenders that care about victims choose among the candidates. Source: upstream's `callExtenders` (pkg/scheduler/framework/preemption, 1.36). */
import { errorText } from '../../../machinery/meta/error-text.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import { ExtenderError, type Extender, type Victims } from '../framework/extender.ts';
import type { Snapshot } from '../framework/snapshot.ts';
import { byImportance, type Candidate } from '../plan/preemption-candidates.ts';

export interface Asking {
  /** The cluster as it is when it is called: extenders take their time. */
  snapshot(): Snapshot;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** @throws ExtenderError of one that is not ignorable */
export async function askExtenders(
  extenders: readonly Extender[],
  pod: Pod,
  candidates: readonly Candidate[],
  { snapshot, logger, signal }: Asking,
): Promise<Candidate[]> {
  let left: ReadonlyMap<string, Victims> = new Map(
    candidates.map(({ nodeName, victims, violations }) => [nodeName, { pods: victims, violations }]),
  );
  for (const extender of extenders) {
    if (left.size === 0) break;
    try {
      const answer = await extender.preempt(pod, left, name => snapshot().node(name), signal);
      left = withoutEmpty(extender, answer);
    } catch (error) {
      if (signal.aborted || !extender.isIgnorable) throw error;
      const facts = { extender: extender.name, pod: pod.metadata.name, err: errorText(error) };
      logger.warn(facts, 'room is made without asking it');
    }
  }
  return [...left].flatMap(([nodeName, victims]) => stillThere(snapshot(), nodeName, victims));
}

function withoutEmpty(extender: Extender, answer: ReadonlyMap<string, Victims>): ReadonlyMap<string, Victims> {
  const empty = [...answer].find(([, { pods }]) => pods.length === 0);
  if (empty === undefined) return answer;
  if (!extender.isIgnorable)
    throw new ExtenderError(extender.name, `expected at least one victim pod on node "${empty[0]}"`);
  return new Map([...answer].filter(([, { pods }]) => pods.length > 0));
}

/** Pods that went meanwhile need not be made go; a node without any more of them is tried again anyway. */
function stillThere(snapshot: Snapshot, nodeName: string, { pods, violations }: Victims): Candidate[] {
  const node = snapshot.node(nodeName);
  const victims = pods.filter(({ metadata }) => node?.pods.has(metadata.uid ?? '') === true).sort(byImportance);
  return victims.length === 0 ? [] : [{ nodeName, victims, violations }];
}
