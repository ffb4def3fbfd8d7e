/**
 * A node takes as many volumes of a CSI driver as its CSINode says; and none of a driver that it lacks, where the driver's CSIDriver asks for
 * that. Source: upstream plugin NodeVolumeLimits; KEP 5030.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { CSINode } from '../../../proto/api/storage-v1.ts';
import { storageClassOf } from '../../../machinery/meta/volume-match.ts';
import { claimNamesOf } from '../../../machinery/meta/pod-claims.ts';
import type { Plugin } from '../framework/framework.ts';
import type { VolumeSources } from '../plan/volumes.ts';

const NAME = 'NodeVolumeLimits';

/** Handles by driver. */
type VolumesByDriver = Map<string, Set<string>>;

export function nodeVolumeLimits(sources: VolumeSources): Plugin {
  return {
    name: NAME,
    preFilter(state, pod) {
      state.write(NAME, volumesOf([pod], sources));
      return undefined;
    },
    filter(state, _pod, info) {
      const wanted = state.read<VolumesByDriver>(NAME);
      if (wanted.size === 0) return undefined;
      const csiNode = sources.csiNode(info.name);
      for (const driver of wanted.keys()) {
        const isThere = csiNode?.spec.drivers.some(({ name }) => name === driver) === true;
        if (!isThere && sources.csiDriver(driver)?.spec.preventPodSchedulingIfMissing === true)
          return [{ reason: `node(s) lack CSI driver ${driver}`, unresolvable: true }];
      }
      const limited = [...wanted].filter(([driver]) => limitOf(csiNode, driver) !== undefined);
      if (limited.length === 0) return undefined;
      const there = volumesOf(info.pods.values(), sources);
      const isFull = limited.some(([driver, handles]) => {
        const own = there.get(driver) ?? new Set();
        const fresh = [...handles].filter(handle => !own.has(handle)).length;
        return fresh > 0 && own.size + fresh > (limitOf(csiNode, driver) ?? Infinity);
      });
      return isFull ? [{ reason: 'node(s) exceed max volume count', unresolvable: false }] : undefined;
    },
  };
}

function limitOf(csiNode: CSINode | undefined, driver: string): number | undefined {
  return csiNode?.spec.drivers.find(({ name }) => name === driver)?.allocatable?.count;
}

/** Volumes that are still to be made count by their claims. */
function volumesOf(pods: Iterable<Pod>, sources: VolumeSources): VolumesByDriver {
  const found: VolumesByDriver = new Map();
  const add = (driver: string, handle: string): void => {
    found.set(driver, (found.get(driver) ?? new Set()).add(handle));
  };
  for (const pod of pods) {
    const namespace = pod.metadata.namespace ?? '';
    for (const name of claimNamesOf(pod)) {
      const claim = sources.claim(namespace, name);
      if (claim === undefined) continue;
      const volume = sources.volume(claim.spec.volumeName ?? '');
      if (volume?.spec.csi !== undefined) add(volume.spec.csi.driver, volume.spec.csi.volumeHandle);
      else if (volume === undefined) {
        const provisioner = sources.storageClass(storageClassOf(claim))?.provisioner;
        if (provisioner !== undefined) add(provisioner, `${namespace}/${name}`);
      }
    }
  }
  return found;
}
