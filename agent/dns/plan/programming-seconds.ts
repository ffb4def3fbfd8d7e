/** How long ago the change was that a slice tells of. */
import { triggeredAtMs } from '../../../machinery/meta/endpoint-slices.ts';
import type { EndpointSlice } from '../../../proto/api/discovery-v1.ts';

/** @returns undefined if the slice does not say, or clocks differ too much to tell */
export function programmingSeconds(slice: EndpointSlice, nowMs: number): number | undefined {
  const changedMs = triggeredAtMs(slice);
  return changedMs === undefined || changedMs > nowMs ? undefined : (nowMs - changedMs) / 1000;
}
