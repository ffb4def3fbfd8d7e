/**
 * Validation of a container's volume mounts and devices. Source: Kubernetes `pkg/apis/core/validation`, 1.36.
 */
import {
  forbiddenError,
  invalidError,
  notFoundError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import type { Container, EphemeralContainer, Volume, VolumeMount } from '../../../../proto/api/core-v1.ts';
import { isBlank } from '../validation/checks.ts';
import { checkDescendingPath } from './validate-paths.ts';

/** The pod's volumes by name. */
export type Volumes = ReadonlyMap<string, Volume>;

export function checkVolumeMounts(
  errors: FieldError[],
  path: FieldPath,
  container: Container | EphemeralContainer,
  volumes: Volumes,
): void {
  const points = new Set<string>();
  const devicePaths = new Set((container.volumeDevices ?? []).map(device => device.devicePath));
  const deviceNames = new Set((container.volumeDevices ?? []).map(device => device.name));
  const privileged = container.securityContext?.privileged === true;
  for (const [i, mount] of (container.volumeMounts ?? []).entries()) {
    const at = path.index(i);
    if (isBlank(mount.name)) errors.push(requiredError(at.child('name')));
    else if (!volumes.has(mount.name)) errors.push(notFoundError(at.child('name'), mount.name));
    else if (deviceNames.has(mount.name)) {
      errors.push(invalidError(at.child('name'), mount.name, 'must not already exist in volumeDevices'));
    }
    if (isBlank(mount.mountPath)) errors.push(requiredError(at.child('mountPath')));
    else if (points.has(mount.mountPath))
      errors.push(invalidError(at.child('mountPath'), mount.mountPath, 'must be unique'));
    else if (devicePaths.has(mount.mountPath)) {
      const why = 'must not already exist as a path in volumeDevices';
      errors.push(invalidError(at.child('mountPath'), mount.mountPath, why));
    }
    points.add(mount.mountPath);
    checkSubPath(errors, at, mount);
    checkPropagation(errors, at, mount, privileged);
    checkReadOnly(errors, at, mount);
  }
}

export function checkVolumeDevices(
  errors: FieldError[],
  path: FieldPath,
  container: Container | EphemeralContainer,
  volumes: Volumes,
): void {
  const paths = new Set<string>();
  const names = new Set<string>();
  for (const [i, device] of (container.volumeDevices ?? []).entries()) {
    const at = path.index(i);
    const volume = volumes.get(device.name);
    if (isBlank(device.name)) errors.push(requiredError(at.child('name')));
    else if (names.has(device.name)) errors.push(invalidError(at.child('name'), device.name, 'must be unique'));
    else if (volume === undefined) errors.push(notFoundError(at.child('name'), device.name));
    else if (volume.persistentVolumeClaim === undefined && volume.ephemeral === undefined) {
      const why = 'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode';
      errors.push(invalidError(at.child('name'), device.name, why));
    }
    if (isBlank(device.devicePath)) errors.push(requiredError(at.child('devicePath')));
    else if (paths.has(device.devicePath)) {
      errors.push(invalidError(at.child('devicePath'), device.devicePath, 'must be unique'));
    } else if (device.devicePath.split('/').includes('..')) {
      errors.push(invalidError(at.child('devicePath'), device.devicePath, "must not contain '..'"));
    }
    names.add(device.name);
    paths.add(device.devicePath);
  }
}

function checkSubPath(errors: FieldError[], path: FieldPath, mount: VolumeMount): void {
  if (!isBlank(mount.subPath)) checkDescendingPath(errors, path.child('subPath'), mount.subPath);
  if (isBlank(mount.subPathExpr)) return;
  if (!isBlank(mount.subPath)) {
    const why = 'subPathExpr and subPath are mutually exclusive';
    errors.push(invalidError(path.child('subPathExpr'), mount.subPathExpr, why));
  }
  checkDescendingPath(errors, path.child('subPathExpr'), mount.subPathExpr);
}

function checkPropagation(errors: FieldError[], path: FieldPath, mount: VolumeMount, privileged: boolean): void {
  const mode = mount.mountPropagation;
  if (mode === undefined) return;
  const at = path.child('mountPropagation');
  const supported = ['Bidirectional', 'HostToContainer', 'None'];
  if (!supported.includes(mode)) errors.push(notSupportedError(at, mode, supported));
  if (mode === 'Bidirectional' && !privileged) {
    errors.push(forbiddenError(at, 'Bidirectional mount propagation is available only to privileged containers'));
  }
}

function checkReadOnly(errors: FieldError[], path: FieldPath, mount: VolumeMount): void {
  const mode = mount.recursiveReadOnly;
  if (mode === undefined) return;
  const at = path.child('recursiveReadOnly');
  const supported = ['Disabled', 'Enabled', 'IfPossible'];
  if (!supported.includes(mode)) {
    errors.push(notSupportedError(at, mode, supported));
    return;
  }
  if (mode === 'Disabled') return;
  if (mount.readOnly !== true) errors.push(forbiddenError(at, 'may only be specified when readOnly is true'));
  if (mount.mountPropagation !== undefined && mount.mountPropagation !== 'None') {
    errors.push(forbiddenError(at, 'may only be specified when mountPropagation is None or not specified'));
  }
}
