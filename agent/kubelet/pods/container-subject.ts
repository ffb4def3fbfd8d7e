/** What events of containers are about. */
import type { Pod } from '../../../proto/api/core-v1.ts';
import { subjectOf, type EventSubject } from '../../../machinery/client/event-recorder.ts';
import { pods } from '../../../machinery/client/resource.ts';

/** The pod, with the container of that name as upstream points at it: `spec.containers{name}`. */
export function containerSubject(pod: Pod, name: string): EventSubject {
  const { initContainers = [], ephemeralContainers = [] } = pod.spec;
  let list = 'containers';
  if (initContainers.some(container => container.name === name)) list = 'initContainers';
  else if (ephemeralContainers.some(container => container.name === name)) list = 'ephemeralContainers';
  return subjectOf(pods, pod, `spec.${list}{${name}}`);
}
