/**
 * Validation of container ports. Source: Kubernetes `pkg/apis/core/validation` (ports), 1.36.
 */
import { duplicateError, invalidError, requiredError, type FieldError } from '../meta/field-error.ts';
import type { FieldPath } from '../meta/field-path.ts';
import { portName, portNumber } from '../meta/value-shapes.ts';
import type { Container, ContainerPort } from '../../proto/api/core-v1.ts';
import { checkEnum, checkShape, isBlank } from '../validation/checks.ts';

const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];

export function checkPorts(errors: FieldError[], path: FieldPath, ports: readonly ContainerPort[] | undefined): void {
  const names = new Set<string>();
  for (const [i, port] of (ports ?? []).entries()) {
    const at = path.index(i);
    if (!isBlank(port.name)) {
      const before = errors.length;
      checkShape(errors, at.child('name'), port.name, portName);
      if (errors.length === before && names.has(port.name)) errors.push(duplicateError(at.child('name'), port.name));
      names.add(port.name);
    }
    if (!port.containerPort) errors.push(requiredError(at.child('containerPort')));
    else checkShape(errors, at.child('containerPort'), port.containerPort, portNumber);
    if (port.hostPort) checkShape(errors, at.child('hostPort'), port.hostPort, portNumber);
    checkEnum(errors, at.child('protocol'), port.protocol, PROTOCOLS);
  }
}

/** No host port twice among all containers that run at once. */
export function checkHostPortConflicts(errors: FieldError[], path: FieldPath, containers: readonly Container[]): void {
  const seen = new Set<string>();
  for (const [i, container] of containers.entries()) {
    for (const [j, port] of (container.ports ?? []).entries()) {
      if (!port.hostPort) continue;
      const key = `${port.protocol ?? ''}/${port.hostIP ?? ''}/${port.hostPort}`;
      if (seen.has(key)) errors.push(duplicateError(path.index(i).child('ports').index(j).child('hostPort'), key));
      seen.add(key);
    }
  }
}

/** On the host's network a container's port is the host's. A template may leave the host port out: the pod gets it. */
export function checkHostNetworkPorts(
  errors: FieldError[],
  path: FieldPath,
  containers: readonly Container[],
  isPod: boolean,
): void {
  for (const [i, container] of containers.entries()) {
    for (const [j, port] of (container.ports ?? []).entries()) {
      const hostPort = port.hostPort ?? 0;
      if (hostPort === port.containerPort || (!isPod && hostPort === 0)) continue;
      const at = path.index(i).child('ports').index(j).child('hostPort');
      errors.push(invalidError(at, hostPort, 'must match `containerPort` when `hostNetwork` is true'));
    }
  }
}
