/** What single parts of the kubelet take from the configuration. */
import { tryParseQuantity } from '../../../../machinery/meta/quantity.ts';
import type { ImageGcPolicy } from '../../images/plan/image-garbage.ts';
import type { LogRotationPolicy } from '../../node/plan/log-rotation.ts';
import { DEFAULT_RESTART_BACKOFF, type RestartBackoff } from '../../plan/restart.ts';
import { durationMs, type KubeletConfiguration } from './kubelet-configuration.ts';

/** With the gate `ReduceDefaultCrashLoopBackOffDecay`. Source: KEP-4603. */
const REDUCED_BACKOFF: RestartBackoff = { initialMs: 1_000, maxMs: 60_000 };

export function restartBackoffOf({ crashLoopBackOff, featureGates }: KubeletConfiguration): RestartBackoff {
  const base =
    featureGates?.['ReduceDefaultCrashLoopBackOffDecay'] === true ? REDUCED_BACKOFF : DEFAULT_RESTART_BACKOFF;
  const maxMs = Math.min(durationMs(crashLoopBackOff.maxContainerRestartPeriod), base.maxMs);
  return { initialMs: Math.min(base.initialMs, maxMs), maxMs };
}

export function logRotationOf(c: KubeletConfiguration): LogRotationPolicy {
  return { maxBytes: tryParseQuantity(c.containerLogMaxSize)?.value() ?? 0, maxFiles: c.containerLogMaxFiles };
}

export function imageGcOf(c: KubeletConfiguration): ImageGcPolicy {
  return {
    highPercent: c.imageGCHighThresholdPercent,
    lowPercent: c.imageGCLowThresholdPercent,
    minAgeMs: durationMs(c.imageMinimumGCAge),
    maxAgeMs: durationMs(c.imageMaximumGCAge),
  };
}

/** How many pods the node may have; a bound for each CPU only lowers it. */
export function maxPodsOf({ maxPods, podsPerCore }: KubeletConfiguration, cpuCount: number): number {
  return podsPerCore === 0 ? maxPods : Math.min(maxPods, podsPerCore * cpuCount);
}
