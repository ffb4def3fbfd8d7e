import type { ContainerRole } from '../../plan/pod-spec.ts';

/** As the label `container_type` of upstream's metrics says it. */
export function containerType(role: ContainerRole | undefined): string {
  if (role === 'init' || role === 'sidecar') return 'init_container';
  return role === 'ephemeral' ? 'ephemeral_container' : 'container';
}
