/**
 * Validation of a container's volume mounts and devices. Where upstream's paths lack the index of the mount, so do these.
 * Source: Kubernetes `pkg/apis/core/validation`, 1.36.
 */
import {
  forbiddenError,
  invalidError,
  notFoundError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../meta/field-error.ts';
import type { FieldPath } from '../meta/field-path.ts';
import type { Container, EphemeralContainer, Volume, VolumeMount } from '../../proto/api/core-v1.ts';
import { isBlank } from '../validation/checks.ts';
import { checkDescendingPath } from './validate-paths.ts';

/** The pod's volumes by name. */
export type Volumes = ReadonlyMap<string, Volume>;

type AnyContainer = Container | EphemeralContainer;

export function checkVolumeMounts(
  errors: FieldError[],
  path: FieldPath,
  container: AnyContainer,
  volumes: Volumes,
): void {
  const points = new Set<string>();
  const devicePaths = new Set((container.volumeDevices ?? []).map(device => device.devicePath));
  const deviceNames = new Set((container.volumeDevices ?? []).map(device => device.name));
  const privileged = container.securityContext?.privileged === true;
  for (const [i, mount] of (container.volumeMounts ?? []).entries()) {
    const at = path.index(i);
    const { name = '', mountPath = '' } = mount;
    if (name === '') errors.push(requiredError(at.child('name')));
    if (!volumes.has(name)) errors.push(notFoundError(at.child('name'), name));
    if (mountPath === '') errors.push(requiredError(at.child('mountPath')));
    if (points.has(mountPath)) errors.push(invalidError(at.child('mountPath'), mountPath, 'must be unique'));
    points.add(mountPath);
    if (deviceNames.has(name))
      errors.push(invalidError(at.child('name'), name, 'must not already exist in volumeDevices'));
    if (devicePaths.has(mountPath)) {
      const why = 'must not already exist as a path in volumeDevices';
      errors.push(invalidError(at.child('mountPath'), mountPath, why));
    }
    checkSubPath(errors, path, at, mount);
    checkPropagation(errors, path.child('mountPropagation'), mount, privileged);
    checkReadOnly(errors, path.child('recursiveReadOnly'), mount);
  }
}

export function checkVolumeDevices(
  errors: FieldError[],
  path: FieldPath,
  container: AnyContainer,
  volumes: Volumes,
): void {
  const paths = new Set<string>();
  const names = new Set<string>();
  const mountNames = new Set((container.volumeMounts ?? []).map(mount => mount.name));
  const mountPaths = new Set((container.volumeMounts ?? []).map(mount => mount.mountPath));
  for (const [i, { name = '', devicePath = '' }] of (container.volumeDevices ?? []).entries()) {
    const at = path.index(i);
    const volume = volumes.get(name);
    if (name === '') errors.push(requiredError(at.child('name')));
    if (names.has(name)) errors.push(invalidError(at.child('name'), name, 'must be unique'));
    if (volume === undefined) errors.push(notFoundError(at.child('name'), name));
    else if (volume.persistentVolumeClaim === undefined && volume.ephemeral === undefined) {
      const why = 'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode';
      errors.push(invalidError(at.child('name'), name, why));
    }
    if (devicePath === '') errors.push(requiredError(at.child('devicePath')));
    if (paths.has(devicePath)) errors.push(invalidError(at.child('devicePath'), devicePath, 'must be unique'));
    if (devicePath.split('/').includes('..'))
      errors.push(invalidError(at.child('devicePath'), devicePath, "can not contain backsteps ('..')"));
    else paths.add(devicePath);
    if (mountNames.has(name))
      errors.push(invalidError(at.child('name'), name, 'must not already exist in volumeMounts'));
    if (mountPaths.has(devicePath)) {
      const why = 'must not already exist as a path in volumeMounts';
      errors.push(invalidError(at.child('devicePath'), devicePath, why));
    }
    if (name !== '') names.add(name);
  }
}

function checkSubPath(errors: FieldError[], list: FieldPath, path: FieldPath, mount: VolumeMount): void {
  if (!isBlank(mount.subPath)) checkDescendingPath(errors, list.child('subPath'), mount.subPath);
  if (isBlank(mount.subPathExpr)) return;
  if (!isBlank(mount.subPath)) {
    const why = 'subPathExpr and subPath are mutually exclusive';
    errors.push(invalidError(path.child('subPathExpr'), mount.subPathExpr, why));
  }
  checkDescendingPath(errors, list.child('subPathExpr'), mount.subPathExpr);
}

function checkPropagation(errors: FieldError[], path: FieldPath, mount: VolumeMount, privileged: boolean): void {
  const mode = mount.mountPropagation;
  if (mode === undefined) return;
  const supported = ['Bidirectional', 'HostToContainer', 'None'];
  if (!supported.includes(mode)) errors.push(notSupportedError(path, mode, supported));
  if (mode === 'Bidirectional' && !privileged)
    errors.push(forbiddenError(path, 'Bidirectional mount propagation is available only to privileged containers'));
}

function checkReadOnly(errors: FieldError[], path: FieldPath, mount: VolumeMount): void {
  const mode = mount.recursiveReadOnly;
  if (mode === undefined || mode === 'Disabled') return;
  if (mode !== 'Enabled' && mode !== 'IfPossible') {
    errors.push(notSupportedError(path, mode, ['Disabled', 'Enabled', 'IfPossible']));
    return;
  }
  if (mount.readOnly !== true) errors.push(forbiddenError(path, 'may only be specified when readOnly is true'));
  if (mount.mountPropagation !== undefined && mount.mountPropagation !== 'None')
    errors.push(forbiddenError(path, 'may only be specified when mountPropagation is None or not specified'));
}
