/**
 * How results of a probe become an answer. No clock, no I/O.
 * Source: kubernetes.io/docs, "Configure Liveness, Readiness and Startup Probes"; `pkg/kubelet/prober/worker.go` 1.36.
 */
import type { Container, Probe } from '../../../proto/api/core-v1.ts';

export type ProbeKind = 'startup' | 'liveness' | 'readiness';

/** The answer so far, and how many equal results came in a row. */
export interface ProbeState {
  /** Undefined until a threshold is reached for the first time. */
  readonly answer: 'success' | 'failure' | undefined;
  readonly last: 'success' | 'failure' | undefined;
  readonly run: number;
}

export const INITIAL_PROBE_STATE: ProbeState = { answer: undefined, last: undefined, run: 0 };

/** One more result. */
export function nextProbeState(state: ProbeState, result: 'success' | 'failure', probe: Probe): ProbeState {
  const run = state.last === result ? state.run + 1 : 1;
  const threshold = result === 'success' ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? 3);
  return { answer: run >= threshold ? result : state.answer, last: result, run };
}

/** The probe of that kind, if the container has it. */
export function probeOf(container: Container, kind: ProbeKind): Probe | undefined {
  switch (kind) {
    case 'startup':
      return container.startupProbe;
    case 'liveness':
      return container.livenessProbe;
    case 'readiness':
      return container.readinessProbe;
  }
}

/** With upstream's defaults. */
export function probeTimes(probe: Probe): { initialDelayMs: number; periodMs: number; timeoutMs: number } {
  return {
    initialDelayMs: (probe.initialDelaySeconds ?? 0) * 1000,
    periodMs: Math.max(1, probe.periodSeconds ?? 10) * 1000,
    timeoutMs: Math.max(1, probe.timeoutSeconds ?? 1) * 1000,
  };
}
