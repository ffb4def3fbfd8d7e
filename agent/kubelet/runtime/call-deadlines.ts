/** How long each CRI call may take, in milliseconds, unless its caller says otherwise. */
export const CALL_DEADLINES_MS = {
  /** Reads, and changes that touch no process. */
  quick: 120_000,
  /** Image unpacking of a cold sandbox image and slow CNI plugins included, as upstream's kubelet. */
  runPodSandbox: 240_000,
  /** Networks are torn down by CNI plugins that may call out. */
  stopPodSandbox: 240_000,
  /** Large images over slow lines take what they take: who pulls watches whether it moves (images/image-puller.ts). */
  pullImage: Number.POSITIVE_INFINITY,
  /** For commands without a bound of their own. */
  unboundedExec: 3_600_000,
} as const;

/** What a call that waits for something in the runtime gets on top of what it waits for. */
const SLACK_MS = 60_000;

/** For StopContainer: the runtime waits for the grace period, kills, and reaps. */
export function stopDeadlineMs(gracePeriodSeconds: number): number {
  return Math.max(0, gracePeriodSeconds) * 1000 + SLACK_MS;
}

/** For ExecSync: the runtime ends the command itself; ours is the backstop. */
export function execDeadlineMs(timeoutSeconds: number): number {
  return timeoutSeconds > 0 ? timeoutSeconds * 1000 + SLACK_MS : CALL_DEADLINES_MS.unboundedExec;
}
