/**
 * Whether a container that ended starts again, and when. No I/O, no clock.
 *
 * The delay stands in an annotation of the attempt it led to, so a kubelet that restarts goes on where it was.
 * Source: kubernetes.io/docs, "Container restart policy"; 10 s doubling to 300 s, forgotten after 10 minutes of running.
 */
import type { Container, Pod, RestartPolicy } from '../../../proto/api/core-v1.ts';
import type { ContainerRole } from './pod-spec.ts';
import { allContainers } from './pod-spec.ts';
import type { ContainerView, PodView } from './pod-view.ts';

/** Annotation of a container: the delay that its next restart will wait. */
export const BACKOFF_ANNOTATION = 'k8ts.io/restart-backoff-ms';

/** First delay and cap, configurable per node. */
export interface RestartBackoff {
  readonly initialMs: number;
  readonly maxMs: number;
}

export const DEFAULT_RESTART_BACKOFF: RestartBackoff = { initialMs: 10_000, maxMs: 300_000 };
/** A container that ran longer than this has proved that it can. */
const FORGIVEN_AFTER_MS = 600_000;

export type RestartDecision =
  | { readonly kind: 'start'; readonly nextBackoffMs: number }
  /** It waits until then; the status says CrashLoopBackOff. */
  | { readonly kind: 'wait'; readonly untilMs: number; readonly backoffMs: number }
  /** It stays dead. */
  | { readonly kind: 'leave' };

/** The policy that holds for a container, by its place in the spec. */
export function restartPolicyOf(pod: Pod, container: Container, role: ContainerRole): RestartPolicy {
  if (role === 'sidecar') return 'Always';
  if (role === 'ephemeral') return 'Never';
  if (container.restartPolicy !== undefined) return container.restartPolicy;
  const policy = pod.spec.restartPolicy ?? 'Always';
  // An init container that ended well never runs again, whatever the pod says.
  return role === 'init' && policy === 'Always' ? 'OnFailure' : policy;
}

/** What the first rule that the exit code fits demands; undefined: no rule does. */
function ruledAction(container: Container, exitCode: number): string | undefined {
  return (container.restartPolicyRules ?? []).find(({ exitCodes }) => {
    const listed = (exitCodes?.values ?? []).includes(exitCode);
    return exitCodes?.operator === 'NotIn' ? !listed : listed;
  })?.action;
}

/** Whether an end with that code restarts all containers of the pod (KEP-5532). */
export function endsAll(container: Container, exitCode: number): boolean {
  return ruledAction(container, exitCode) === 'RestartAllContainers';
}

/**
 * When the newest end was that restarts all of the pod: containers made until then are of an earlier life. -1 if there was none.
 * Nothing needs to remember it: attempts that are garbage have newer ones, which are of the new life.
 */
export function newLifeAtMs(pod: Pod, view: PodView | undefined): number {
  let atMs = -1;
  for (const { container } of allContainers(pod)) {
    if ((container.restartPolicyRules ?? []).length === 0) continue;
    for (const { name, state, exitCode, finishedAtMs } of view?.containers ?? []) {
      if (name === container.name && state === 'exited' && endsAll(container, exitCode))
        atMs = Math.max(atMs, finishedAtMs);
    }
  }
  return atMs;
}

/** Whether the rules, then the policy, want it to run again after it ended so. */
export function wantsRestart(pod: Pod, container: Container, role: ContainerRole, exitCode: number): boolean {
  const action = ruledAction(container, exitCode);
  if (action !== undefined) return action === 'Restart' || action === 'RestartAllContainers';
  const policy = restartPolicyOf(pod, container, role);
  return policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0);
}

/** The delay that follows the attempt's end; 0: none. */
export function backoffOf(view: ContainerView): number {
  const told = Number(view.annotations[BACKOFF_ANNOTATION] ?? 0);
  return Number.isFinite(told) ? told : 0;
}

/** @param last an exited attempt */
export function decideRestart(
  pod: Pod,
  container: Container,
  role: ContainerRole,
  last: ContainerView,
  nowMs: number,
  backoff: RestartBackoff = DEFAULT_RESTART_BACKOFF,
): RestartDecision {
  if (!wantsRestart(pod, container, role, last.exitCode)) return { kind: 'leave' };
  const ranMs = last.startedAtMs === 0 ? 0 : last.finishedAtMs - last.startedAtMs;
  const backoffMs = ranMs > FORGIVEN_AFTER_MS ? 0 : Math.min(backoffOf(last), backoff.maxMs);
  // The delay counts from the exit, so a slow sync does not stretch it.
  const untilMs = last.finishedAtMs + backoffMs;
  if (backoffMs > 0 && nowMs < untilMs) return { kind: 'wait', untilMs, backoffMs };
  return { kind: 'start', nextBackoffMs: backoffMs === 0 ? backoff.initialMs : Math.min(backoff.maxMs, backoffMs * 2) };
}
