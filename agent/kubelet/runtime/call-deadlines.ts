/**
 * How long each CRI call may take, in milliseconds, unless its caller says otherwise: all goes by `runtimeRequestTimeout` of the node's
 * settings. Source: kubernetes 1.36 `k8s.io/cri-client/pkg/remote_runtime.go`.
 */

/** Upstream's. */
const DEFAULT_REQUEST_TIMEOUT_MS = 120_000;

export interface CallDeadlines {
  /** Reads, and changes that touch no process. */
  readonly quick: number;
  /** Image unpacking of a cold sandbox image and CNI plugins, which may call out, included: twice the time of others. */
  readonly sandbox: number;
  /** Large images over slow lines take what they take: who pulls watches whether it moves (images/image-puller.ts). */
  readonly pullImage: number;
  /** For StopContainer: the runtime waits for the grace period, kills, and reaps. */
  stop(gracePeriodSeconds: number): number;
  /** For ExecSync: the runtime ends the command itself; ours is the backstop. @param timeoutSeconds 0: the command has no bound */
  exec(timeoutSeconds: number): number;
}

const UNBOUNDED_EXEC_MS = 3_600_000;

export function callDeadlinesMs(requestTimeoutMs = DEFAULT_REQUEST_TIMEOUT_MS): CallDeadlines {
  // On top of what is waited for. Differs: upstream adds all of it; a runtime that hangs is to be found out sooner.
  const slackMs = requestTimeoutMs / 2;
  return {
    quick: requestTimeoutMs,
    sandbox: 2 * requestTimeoutMs,
    pullImage: Number.POSITIVE_INFINITY,
    stop: gracePeriodSeconds => Math.max(0, gracePeriodSeconds) * 1000 + slackMs,
    exec: timeoutSeconds => (timeoutSeconds > 0 ? timeoutSeconds * 1000 + slackMs : UNBOUNDED_EXEC_MS),
  };
}
