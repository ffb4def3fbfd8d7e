/** Finds what each of a container's volume mounts is to show: a prepared volume, a part of one, or an image. */
import type { Container, Pod } from '../../../proto/api/core-v1.ts';
import type { ResolvedMount } from '../plan/container-config.ts';
import { ConfigError } from '../plan/environment.ts';
import { expand } from '../plan/expand.ts';
import type { PreparedVolumes, VolumeManager } from '../volumes/volume-manager.ts';

/**
 * @param environment the container's, for `subPathExpr`
 * @returns in the order of the spec @throws ConfigError, VolumeError, or the signal's reason
 */
export function resolveMounts(
  volumes: Pick<VolumeManager, 'prepareSubPath'>,
  pod: Pod,
  container: Container,
  prepared: PreparedVolumes,
  environment: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<ResolvedMount[]> {
  const mounts = container.volumeMounts ?? [];
  return Promise.all(
    mounts.map(async (mount, index) => {
      const volume = prepared.get(mount.name);
      if (volume === undefined)
        throw new ConfigError(`cannot find volume "${mount.name}" to mount into container "${container.name}"`);
      const expr = mount.subPathExpr;
      const subPath = expr === undefined || expr === '' ? (mount.subPath ?? '') : expandAll(expr, environment);
      const common = { mount, readOnly: volume.readOnly, selinuxRelabel: volume.selinuxRelabel };
      if (volume.image !== undefined) return { ...common, hostPath: '', image: volume.image, imageSubPath: subPath };
      if (subPath === '') return { ...common, hostPath: volume.hostPath };
      const hostPath = await volumes.prepareSubPath(pod, container, index, mount, volume, subPath, signal);
      return { ...common, hostPath };
    }),
  );
}

function expandAll(text: string, environment: ReadonlyMap<string, string>): string {
  const missing: string[] = [];
  const value = expand(text, name => {
    const found = environment.get(name);
    if (found === undefined) missing.push(name);
    return found;
  });
  if (missing.length > 0)
    throw new ConfigError(`failed to expand subPath expression "${text}": missing value for "${missing[0]}"`);
  return value;
}
