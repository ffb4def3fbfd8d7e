/** What EndpointSlices say of themselves by labels and annotations, and what follows from that. */
import type { EndpointSlice } from '../../proto/api/discovery-v1.ts';
import { objectKey } from './object.ts';

/** Name of the service, in the slice's own namespace. */
export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

/** There if the service has no address of its own; its value is empty. */
export const HEADLESS_LABEL = 'service.kubernetes.io/headless';

/** When that happened which the last change of the slice answers to. */
export const TRIGGER_TIME_ANNOTATION = 'endpoints.kubernetes.io/last-change-trigger-time';

/** `namespace/name` of the service that a slice is of; undefined if it is of none. */
export function serviceOfSlice({ metadata }: EndpointSlice): string | undefined {
  const name = metadata.labels?.[SERVICE_NAME_LABEL];
  return name === undefined ? undefined : objectKey(metadata.namespace, name);
}

export function isHeadlessSlice({ metadata }: EndpointSlice): boolean {
  return metadata.labels?.[HEADLESS_LABEL] !== undefined;
}

/** Milliseconds since the epoch; undefined if the slice does not say. */
export function triggeredAtMs({ metadata }: EndpointSlice): number | undefined {
  const ms = Date.parse(metadata.annotations?.[TRIGGER_TIME_ANNOTATION] ?? '');
  return Number.isNaN(ms) ? undefined : ms;
}
