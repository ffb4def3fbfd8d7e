/** Whom to ask, in which order and how long to wait for one before the next is asked as well. */

/** One upstream server as it has been of late. */
export interface UpstreamView {
  /** It did not answer when it was asked last. */
  readonly isSilent: boolean;
  /** What it is asked comes back to us. */
  readonly isLoop: boolean;
  /** How long it takes to answer, smoothed; undefined before its first answer. */
  readonly usualMs: number | undefined;
  /** When a silent one was last asked; -Infinity for never. */
  readonly askedAtMs: number;
}

export interface Attempt<U> {
  readonly upstream: U;
  /** So long after the attempt before it, unless that failed earlier. 0: at once. */
  readonly afterMs: number;
}

const MIN_HEDGE_MS = 60;
const MAX_HEDGE_MS = 250;
/** A silent server is asked alongside another so often, to notice that it is back. */
const PROBE_EVERY_MS = 1_000;
/** A packet may have been lost: the same server again. */
const AGAIN_MS = 700;

/** So long may an answer take; half of what clients wait, so that they get ours, and no client waits its full time out. */
export const DEADLINE_MS = 3_000;
/** The same when no server has answered of late: their names are told apart quickly from ours. */
export const SILENT_DEADLINE_MS = 1_000;

/**
 * Servers in the order of their list, silent ones last; each of them once more in the end.
 *
 * @param upstreams in the order of preference
 */
export function chooseUpstreams<U extends UpstreamView>(
  upstreams: readonly U[],
  nowMs: number,
): { readonly attempts: readonly Attempt<U>[]; readonly deadlineMs: number } {
  const usable = upstreams.filter(upstream => !upstream.isLoop);
  const answering = usable.filter(upstream => !upstream.isSilent);
  const silent = usable.filter(upstream => upstream.isSilent);
  if (answering.length === 0)
    return { attempts: silent.map(upstream => ({ upstream, afterMs: 0 })), deadlineMs: SILENT_DEADLINE_MS };
  const inOrder = answering.map((upstream, i) => ({ upstream, afterMs: i === 0 ? 0 : hedgeMs(answering[i - 1]) }));
  const probes = silent.filter(upstream => nowMs - upstream.askedAtMs >= PROBE_EVERY_MS);
  const attempts = [
    ...inOrder.slice(0, 1),
    ...probes.map(upstream => ({ upstream, afterMs: 0 })),
    ...inOrder.slice(1),
    ...silent
      .filter(upstream => !probes.includes(upstream))
      .map(upstream => ({ upstream, afterMs: hedgeMs(answering.at(-1)) })),
    ...answering.map(upstream => ({ upstream, afterMs: AGAIN_MS })),
  ];
  return { attempts, deadlineMs: DEADLINE_MS };
}

function hedgeMs(upstream: UpstreamView | undefined): number {
  if (upstream?.usualMs === undefined) return MAX_HEDGE_MS;
  return Math.min(MAX_HEDGE_MS, Math.max(MIN_HEDGE_MS, 4 * upstream.usualMs));
}
