/**
 * When an image whose pull failed is pulled again, and what stands in the status until then.
 * Source: kubernetes.io/docs, "ImagePullBackOff"; `pkg/kubelet/images/image_manager.go` 1.36.
 */
import type { PullFailure, PullFailureReason } from './pull-failure.ts';

/** The last failure of a pod's pull of one image. */
export interface FailedPull {
  readonly reason: PullFailureReason;
  readonly message: string;
  readonly atMs: number;
  /** From then to the next attempt. */
  readonly backoffMs: number;
  /** The failure itself has been shown. */
  readonly told: boolean;
}

export type PullDecision =
  | { readonly kind: 'pull' }
  | {
      /** `tell`: the failure itself, once; `wait`: that it waits. */
      readonly kind: 'tell' | 'wait';
      readonly reason: PullFailureReason | 'ImagePullBackOff';
      readonly message: string;
      readonly retryAtMs: number;
    };

const FIRST_BACKOFF_MS = 10_000;
const MAX_BACKOFF_MS = 300_000;
/** How long the failure itself stands in the status before the back-off does. */
const TELL_FAILURE_MS = 1_000;

export function failedPull(last: FailedPull | undefined, failure: PullFailure, nowMs: number): FailedPull {
  const { reason, message } = failure;
  const backoffMs = Math.min(MAX_BACKOFF_MS, Math.max(FIRST_BACKOFF_MS, (last?.backoffMs ?? 0) * 2));
  return { reason, message, atMs: nowMs, backoffMs, told: false };
}

/** @param text the image, as the pod names it */
export function decidePull(last: FailedPull | undefined, text: string, nowMs: number): PullDecision {
  if (last === undefined) return { kind: 'pull' };
  const { reason, message, atMs, backoffMs, told } = last;
  if (!told) return { kind: 'tell', reason, message, retryAtMs: atMs + TELL_FAILURE_MS };
  const retryAtMs = atMs + backoffMs;
  if (nowMs >= retryAtMs) return { kind: 'pull' };
  const whole = `Back-off pulling image "${text}": ${reason}: ${message}`;
  return { kind: 'wait', reason: 'ImagePullBackOff', message: whole, retryAtMs };
}
