/**
 * What of a container's spec, when it changes, makes a new container. Only name and image: they are all that a running pod's spec
 * may change that needs one (resources are resized in place), and a newer k8ts must not restart what an older one started.
 * Source: kubernetes 1.36 `pkg/kubelet/container/helpers.go`, HashContainer.
 */
import type { Container } from '../../../proto/api/core-v1.ts';
import { fnv32a } from '../../../machinery/meta/name-hash.ts';

export function containerHash(container: Container): string {
  return fnv32a(JSON.stringify({ name: container.name, image: container.image ?? '' })).toString(16);
}
