/**
 * Fields of a pod that are accepted and that nodes of this version cannot honour: the one list from which the API server warns whoever
 * writes them and the kubelet refuses to start what needs them. A field that is in neither this list nor validation works.
 *
 * Kept by docs/support.md: a field leaves both at once.
 */
import type { Container, EphemeralContainer, PodSpec, Volume } from '../../proto/api/core-v1.ts';

/**
 * What becomes of a pod that sets the field:
 * - `podWaits`: its sandbox is not made
 * - `containerWaits`: its other containers run, this one waits with CreateContainerConfigError
 * - `volumeWaits`: the volume is not mounted, so no container starts
 * - `notEnforced`: the pod runs, without what the field asks for
 */
export type UnsupportedEffect = 'podWaits' | 'containerWaits' | 'volumeWaits' | 'notEnforced';

export interface UnsupportedField {
  /** From the pod's root: `spec.containers[0].resources.claims`. */
  readonly path: string;
  /** Continues a sentence that begins with the path: `is not supported ...`. */
  readonly reason: string;
  readonly effect: UnsupportedEffect;
  /** The container that it concerns; undefined: the whole pod. */
  readonly container?: string;
}

/**
 * Pure.
 * @param root path of the spec, `spec` or, for a template, `spec.template.spec`
 * @returns in the order of the spec
 */
export function unsupportedPodFields(spec: PodSpec, root = 'spec'): UnsupportedField[] {
  const found: UnsupportedField[] = [];
  const say = (field: string, effect: UnsupportedEffect, reason: string): void => {
    found.push({ path: `${root}.${field}`, reason, effect });
  };
  if ((spec.resourceClaims ?? []).length > 0)
    say('resourceClaims', 'podWaits', 'is not supported: no devices are allocated to pods');
  if (spec.schedulingGroup !== undefined)
    say('schedulingGroup', 'notEnforced', 'has no effect: pods are scheduled one by one');
  if (spec.securityContext?.windowsOptions !== undefined)
    say('securityContext.windowsOptions', 'notEnforced', 'has no effect: nodes run Linux');
  if (spec.securityContext?.seLinuxChangePolicy === 'MountOption')
    say('securityContext.seLinuxChangePolicy', 'notEnforced', 'has no effect: volumes are relabelled file by file');
  for (const [index, volume] of (spec.volumes ?? []).entries()) {
    for (const field of unsupportedOfVolume(volume))
      found.push({ ...field, path: `${root}.volumes[${index}].${field.path}` });
  }
  for (const list of ['initContainers', 'containers', 'ephemeralContainers'] as const) {
    const containers: readonly (Container | EphemeralContainer)[] = spec[list] ?? [];
    for (const [index, container] of containers.entries()) {
      for (const field of unsupportedOfContainer(container as Container)) {
        found.push({ ...field, path: `${root}.${list}[${index}].${field.path}`, container: container.name });
      }
    }
  }
  return found;
}

const VOLUME_KINDS = new Set([
  'name',
  'emptyDir',
  'hostPath',
  'configMap',
  'secret',
  'downwardAPI',
  'projected',
  'persistentVolumeClaim',
  'ephemeral',
  'csi',
  'nfs',
  'image',
]);
const PROJECTED_KINDS = new Set(['configMap', 'secret', 'downwardAPI', 'serviceAccountToken']);

function unsupportedOfVolume(volume: Volume): UnsupportedField[] {
  const found: UnsupportedField[] = [];
  for (const [kind, source] of Object.entries(volume)) {
    if (source !== undefined && !VOLUME_KINDS.has(kind))
      found.push({
        path: kind,
        reason: 'is not supported: nodes have no such volumes; CSI drivers make them',
        effect: 'volumeWaits',
      });
  }
  const medium = volume.emptyDir?.medium ?? '';
  if (medium !== '' && medium !== 'Memory' && !/^HugePages(-|$)/.test(medium)) {
    const reason = 'is not supported: an emptyDir is on disk, in memory or in huge pages';
    found.push({ path: 'emptyDir.medium', reason, effect: 'volumeWaits' });
  }
  for (const [index, part] of (volume.projected?.sources ?? []).entries()) {
    for (const [kind, source] of Object.entries(part)) {
      if (source === undefined || PROJECTED_KINDS.has(kind)) continue;
      const reason = 'is not supported: the API does not serve what it would show';
      found.push({ path: `projected.sources[${index}].${kind}`, reason, effect: 'volumeWaits' });
    }
  }
  return found;
}

function unsupportedOfContainer(container: Container): UnsupportedField[] {
  const found: UnsupportedField[] = [];
  const refuse = (path: string, reason: string): void => void found.push({ path, reason, effect: 'containerWaits' });
  if ((container.resources?.claims ?? []).length > 0)
    refuse('resources.claims', 'is not supported: no devices are allocated to pods');
  if (container.securityContext?.windowsOptions !== undefined) {
    const reason = 'has no effect: nodes run Linux';
    found.push({ path: 'securityContext.windowsOptions', reason, effect: 'notEnforced' });
  }
  return found;
}
