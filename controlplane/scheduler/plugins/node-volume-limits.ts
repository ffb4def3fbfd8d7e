/**
 * A node takes as many volumes of a CSI driver as its CSINode says; and none of a driver that it lacks, where the driver's CSIDriver asks for
 * that. Source: upstream plugin NodeVolumeLimits, 1.36; KEP-5030.
 */
import type { PersistentVolume, Pod } from '../../../proto/api/core-v1.ts';
import type { CSINode, VolumeAttachment } from '../../../proto/api/storage-v1.ts';
import { storageClassOf } from '../../../machinery/meta/volume-match.ts';
import { claimNamesOf } from '../../../machinery/meta/pod-claims.ts';
import type { Plugin, Rejection } from '../framework/framework.ts';
import { claimUserHint, ownClaimHint } from '../plan/volume-hints.ts';
import type { VolumeSources } from '../plan/volumes.ts';

const NAME = 'NodeVolumeLimits';
const FULL: readonly Rejection[] = [{ reason: 'node(s) exceed max volume count', unresolvable: false }];

/** Names of volumes by driver: their handles, or those of claims whose volumes are still to be made. */
type VolumesByDriver = Map<string, Set<string>>;

export function nodeVolumeLimits(sources: VolumeSources): Plugin {
  return {
    name: NAME,
    preFilter(state, pod) {
      const wanted = claimNamesOf(pod).length === 0 ? undefined : volumesOf([pod], sources);
      if (wanted === undefined || wanted.size === 0) return 'skip';
      state.write(NAME, wanted);
      return undefined;
    },
    filter(state, _pod, info) {
      const wanted = state.read<VolumesByDriver>(NAME);
      const csiNode = sources.csiNode(info.name);
      let isLimited = false;
      for (const driver of wanted.keys()) {
        const entry = csiNode?.spec.drivers.find(({ name }) => name === driver);
        if (entry === undefined && sources.csiDriver(driver)?.spec.preventPodSchedulingIfMissing === true)
          return [{ reason: `node(s) lack CSI driver ${driver}`, unresolvable: true }];
        isLimited ||= entry?.allocatable?.count !== undefined;
      }
      if (!isLimited) return undefined;
      const there = volumesOf(info.pods.values(), sources);
      addAttached(there, info.name, sources);
      for (const [driver, handles] of wanted) {
        const limit = limitOf(csiNode, driver);
        if (limit === undefined) continue;
        const own = there.get(driver);
        let count = own?.size ?? 0;
        let fresh = 0;
        for (const handle of handles) if (own?.has(handle) !== true) fresh++;
        count += fresh;
        if (fresh > 0 && count > limit) return FULL;
      }
      return undefined;
    },
    eventsToRegister: () => [
      { resource: 'CSINode', actions: ['Add', 'Update'], hint: (_pod, older, newer) => limitsHint(older, newer) },
      { resource: 'Pod', actions: ['AssignedPodDelete'], hint: claimUserHint },
      { resource: 'PersistentVolumeClaim', actions: ['Add'], hint: ownClaimHint },
      {
        resource: 'VolumeAttachment',
        actions: ['Delete'],
        hint: (_pod, older) =>
          (older as VolumeAttachment).spec.source.persistentVolumeName === undefined ? 'skip' : 'queue',
      },
      { resource: 'CSIDriver', actions: ['Update', 'Delete'] },
    ],
  };
}

/** A node that takes more than before, or has another driver. */
function limitsHint(older: unknown, newer: unknown): 'queue' | 'skip' {
  const before = older as CSINode | undefined;
  const now = newer as CSINode;
  const isMore = now.spec.drivers.some(({ name, allocatable }) => {
    if (before?.spec.drivers.some(known => known.name === name) !== true) return true;
    const limit = limitOf(before, name);
    return limit !== undefined && (allocatable?.count === undefined || allocatable.count > limit);
  });
  return isMore ? 'queue' : 'skip';
}

function limitOf(csiNode: CSINode | undefined, driver: string): number | undefined {
  return csiNode?.spec.drivers.find(({ name }) => name === driver)?.allocatable?.count;
}

function volumesOf(pods: Iterable<Pod>, sources: VolumeSources): VolumesByDriver {
  const found: VolumesByDriver = new Map();
  for (const pod of pods) {
    const namespace = pod.metadata.namespace ?? '';
    for (const name of claimNamesOf(pod)) {
      const claim = sources.claim(namespace, name);
      if (claim === undefined) continue;
      const volume = sources.volume(claim.spec.volumeName ?? '');
      if (volume !== undefined) {
        addVolume(found, volume);
        continue;
      }
      const provisioner = sources.storageClass(storageClassOf(claim))?.provisioner;
      if (provisioner !== undefined) add(found, provisioner, `${namespace}/${name}`);
    }
  }
  return found;
}

/** What no pod here uses any more, or not yet, and is attached all the same. */
function addAttached(found: VolumesByDriver, nodeName: string, sources: VolumeSources): void {
  for (const name of sources.attachments(nodeName)) {
    const volume = sources.volume(name);
    if (volume !== undefined) addVolume(found, volume);
  }
}

function addVolume(found: VolumesByDriver, { spec }: PersistentVolume): void {
  if (spec.csi !== undefined) add(found, spec.csi.driver, spec.csi.volumeHandle);
}

function add(found: VolumesByDriver, driver: string, handle: string): void {
  const handles = found.get(driver);
  if (handles === undefined) found.set(driver, new Set([handle]));
  else handles.add(handle);
}
