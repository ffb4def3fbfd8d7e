/**
 * What becomes of a container's log files when it is rotated: `0.log` -> `0.log.YYYYMMDD-HHMMSS`, older ones as `.gz`.
 * Source: kubernetes.io/docs, "Log rotation"; `pkg/kubelet/logs/container_log_manager.go` 1.36.
 */

export interface LogRotationPolicy {
  readonly maxBytes: number;
  /** The current one included; at least 2. */
  readonly maxFiles: number;
}

export interface LogRotation {
  /** New name of the current log. */
  readonly rotateTo: string;
  /** Rotated ones that are not compressed yet: the newest stays as it is, `logs -f` may be reading it. */
  readonly compress: readonly string[];
  readonly remove: readonly string[];
}

/** @param existing names in the log's folder */
export function planRotation(
  log: string,
  existing: readonly string[],
  policy: LogRotationPolicy,
  nowMs: number,
): LogRotation {
  const rotated = existing.filter(name => name.startsWith(`${log}.`));
  const halfDone = rotated.filter(name => name.endsWith('.tmp'));
  const whole = rotated.filter(name => !name.endsWith('.tmp')).sort();
  // One place for the current log and one for the log that is rotated now.
  const keep = Math.max(0, policy.maxFiles - 2);
  const remove = whole.slice(0, Math.max(0, whole.length - keep));
  const compress = whole.slice(remove.length).filter(name => !name.endsWith('.gz'));
  return { rotateTo: `${log}.${stamp(nowMs)}`, compress, remove: [...halfDone, ...remove] };
}

function stamp(nowMs: number): string {
  return new Date(nowMs).toISOString().slice(0, 19).replaceAll('-', '').replaceAll(':', '').replace('T', '-');
}
