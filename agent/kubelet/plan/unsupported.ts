/**
 * What of a pod this node refuses because it cannot honour it, and where: what the pod as a whole needs stops its sandbox, what one
 * container needs stops that container, and what is only not enforced is told. Volumes are refused by the volume manager itself.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import { allContainers } from './pod-spec.ts';
import type { PodVerdict } from './pod-status.ts';
import { unsupportedPodFields, type UnsupportedField } from '../../../machinery/meta/unsupported-pod-fields.ts';

function sentences(fields: readonly UnsupportedField[]): string | undefined {
  return fields.length === 0 ? undefined : fields.map(({ path, reason }) => `${path} ${reason}`).join('; ');
}

/** What a runtime says that it can, and what the host's kernel has that it needs for that. */
export interface RuntimeAbilities {
  readonly recursiveReadOnlyMounts: boolean;
  readonly supplementalGroupsPolicy: boolean;
  readonly appArmor: boolean;
  /** Handlers ('' is the default) that give pods user namespaces of their own. */
  readonly userNamespaces: ReadonlySet<string>;
}

/** Whether the runtime would pass over what the pod asks for; reasons and texts are upstream's. */
export function unsupportedByRuntime(pod: Pod, abilities: RuntimeAbilities): PodVerdict | undefined {
  const strict = pod.spec.securityContext?.supplementalGroupsPolicy === 'Strict';
  if (strict && !abilities.supplementalGroupsPolicy) {
    const message = 'Pod was rejected: SupplementalGroupsPolicy=Strict is not supported in this node';
    return { reason: 'SupplementalGroupsPolicyNotSupported', message };
  }
  if (!abilities.appArmor && wantsAppArmor(pod)) {
    const message = 'Pod was rejected: Cannot enforce AppArmor: AppArmor is not enabled on the host';
    return { reason: 'AppArmor', message };
  }
  return undefined;
}

function wantsAppArmor(pod: Pod): boolean {
  const contexts = [pod.spec.securityContext, ...allContainers(pod).map(({ container }) => container.securityContext)];
  return contexts.some(context => (context?.appArmorProfile?.type ?? 'Unconfined') !== 'Unconfined');
}

/** Why the pod cannot have a sandbox here; undefined: it can. */
export function unsupportedByNode(pod: Pod): string | undefined {
  return sentences(unsupportedPodFields(pod.spec).filter(({ effect }) => effect === 'podWaits'));
}

/** Why the container cannot be made here; undefined: it can. */
export function unsupportedOfContainer(pod: Pod, name: string): string | undefined {
  return sentences(
    unsupportedPodFields(pod.spec).filter(field => field.effect === 'containerWaits' && field.container === name),
  );
}

/** What the pod runs without; one sentence a field. */
export function notEnforced(pod: Pod): string[] {
  return unsupportedPodFields(pod.spec)
    .filter(({ effect }) => effect === 'notEnforced')
    .map(({ path, reason }) => `${path} ${reason}`);
}
