/**
 * What control plane and nodes agree on about volumes of the local-path provisioner: folders of a node that are made for claims.
 *
 * A node says by an annotation of its Node where such folders lie. The control plane asks it, by another, to remove folders whose volumes are
 * being deleted; the node answers by a third, and both are taken away again. So a node needs no right that it does not have anyway, a node
 * that is away does it later, and each side may be killed at any point.
 */
import type { Node, PersistentVolume } from '../../proto/api/core-v1.ts';
import type { KubeObject } from './object.ts';
import { PROVISIONED_BY } from './volume-annotations.ts';

export const LOCAL_PATH_PROVISIONER = 'k8ts.io/local-path';
/** Of a Node, written by it: the absolute path of the folder for volumes; absent: it takes none. */
export const LOCAL_PATH_ROOT = 'local-path.k8ts.io/root';
/** Of a Node, written by the control plane: names of volumes whose folders are to go, with commas between. */
export const LOCAL_PATH_REMOVE = 'local-path.k8ts.io/remove';
/** Of a Node, written by it: those of them that are gone. */
export const LOCAL_PATH_REMOVED = 'local-path.k8ts.io/removed';

const VOLUME_NAME = /^pvc-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Of the volume that is made for a claim; it is the name of its folder, too. */
export function localPathVolumeName(claimUid: string): string {
  return `pvc-${claimUid}`;
}

/** Whether it may be the name of a folder: nothing else ever becomes part of a path. */
export function isLocalPathVolumeName(name: string): boolean {
  return VOLUME_NAME.test(name);
}

/** One that somebody wrote under another name is not: no folder bears that, and no node could answer for it. */
export function isLocalPathVolume({ metadata }: PersistentVolume): boolean {
  return (
    metadata.annotations?.[PROVISIONED_BY] === LOCAL_PATH_PROVISIONER && isLocalPathVolumeName(metadata.name ?? '')
  );
}

/** Names that the annotation holds: sorted, without doubles and without what is no name of such a volume. */
export function namesIn(object: KubeObject | undefined, annotation: string): string[] {
  const names = (object?.metadata.annotations?.[annotation] ?? '').split(',').filter(isLocalPathVolumeName);
  return [...new Set(names)].sort();
}

/** The annotation's value; null, which takes it away, for no names. */
export function namesText(names: Iterable<string>): string | null {
  const text = [...names].sort().join(',');
  return text === '' ? null : text;
}

/** Where the node has its volumes; undefined: it takes none. */
export function localPathRootOf(node: Node): string | undefined {
  const root = node.metadata.annotations?.[LOCAL_PATH_ROOT] ?? '';
  return root.startsWith('/') ? root : undefined;
}
