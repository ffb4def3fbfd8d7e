/**
 * Names of the cgroups of the node's pods: `ROOT/kubepods/burstable/podUID`, or systemd's slices for the same tree.
 * Source: kubernetes.io/docs, "Container Runtimes: cgroup drivers"; `pkg/kubelet/cm/cgroup_manager_linux.go` 1.36.
 */
import type { PodQOSClass } from '../../../proto/api/core-v1.ts';

export type CgroupDriver = 'cgroupfs' | 'systemd';

/** Components from the root down, not yet spelled for a driver. */
export type CgroupPath = readonly string[];

/** Where all pods of this node are. */
export function podsCgroup(root: CgroupPath): CgroupPath {
  return [...root, 'kubepods'];
}

/** Where pods of that class are; guaranteed ones stand beside the other classes. */
export function qosCgroup(root: CgroupPath, qos: PodQOSClass): CgroupPath {
  const pods = podsCgroup(root);
  if (qos === 'Burstable') return [...pods, 'burstable'];
  if (qos === 'BestEffort') return [...pods, 'besteffort'];
  return pods;
}

export function podCgroup(root: CgroupPath, qos: PodQOSClass, uid: string): CgroupPath {
  return [...qosCgroup(root, qos), `pod${uid}`];
}

/** The path below the hierarchy's mount point: `/kubepods/...` or `/kubepods.slice/kubepods-burstable.slice/...`. */
export function cgroupFsPath(path: CgroupPath, driver: CgroupDriver): string {
  if (driver === 'cgroupfs') return `/${path.join('/')}`;
  const parts = path.map(escapeSystemd);
  return `/${parts.map((_, index) => `${parts.slice(0, index + 1).join('-')}.slice`).join('/')}`;
}

/** What `cgroup_parent` of a sandbox says: a path, or the slice's name alone. */
export function cgroupParent(path: CgroupPath, driver: CgroupDriver): string {
  if (driver === 'cgroupfs') return cgroupFsPath(path, driver);
  return `${path.map(escapeSystemd).join('-')}.slice`;
}

/** A dash is systemd's separator. */
function escapeSystemd(part: string): string {
  return part.replaceAll('-', '_');
}
