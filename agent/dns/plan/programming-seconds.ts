/** How long ago the change was that a slice tells of. */
import type { EndpointSlice } from '../../../proto/api/discovery-v1.ts';

const TRIGGER_TIME = 'endpoints.kubernetes.io/last-change-trigger-time';

/** @returns undefined if the slice does not say, or clocks differ too much to tell */
export function programmingSeconds({ metadata }: EndpointSlice, nowMs: number): number | undefined {
  const changedMs = Date.parse(metadata.annotations?.[TRIGGER_TIME] ?? '');
  return Number.isNaN(changedMs) || changedMs > nowMs ? undefined : (nowMs - changedMs) / 1000;
}
