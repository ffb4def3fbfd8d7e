/** Validation of a Service's ports. Source: Kubernetes `pkg/apis/core/validation` (services), 1.36. */
import {
  duplicateError,
  forbiddenError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { dns1123Label, qualifiedName } from '../../../../machinery/meta/names.ts';
import { portName, portNumber } from '../../../../machinery/meta/value-shapes.ts';
import type { ServicePort, ServiceSpec } from '../../../../proto/api/core-v1.ts';
import { checkEnum, checkShape, isBlank } from '../../../../machinery/validation/checks.ts';

const PORTS = FieldPath.of('spec', 'ports');

/** Each port by itself. */
export function checkServicePorts(errors: FieldError[], spec: ServiceSpec): void {
  const ports = spec.ports ?? [];
  const names = new Set<string>();
  for (const [i, port] of ports.entries()) checkPort(errors, PORTS.index(i), port, ports.length > 1, names);
}

/** Node ports and numbers among each other. */
export function checkServicePortPairs(errors: FieldError[], spec: ServiceSpec): void {
  const ports = spec.ports ?? [];
  if (spec.type === 'ClusterIP') {
    for (const [i, port] of ports.entries()) {
      if (!port.nodePort) continue;
      errors.push(forbiddenError(PORTS.index(i).child('nodePort'), "may not be used when `type` is 'ClusterIP'"));
    }
  }
  const nodePorts = new Set<string>();
  for (const [i, { protocol, nodePort }] of ports.entries()) {
    if (!nodePort) continue;
    const key = `${protocol}/${nodePort}`;
    if (nodePorts.has(key)) errors.push(duplicateError(PORTS.index(i).child('nodePort'), nodePort));
    nodePorts.add(key);
  }
  const numbers = new Set<string>();
  for (const [i, port] of ports.entries()) {
    const key = `${port.protocol}/${port.port}`;
    if (numbers.has(key)) errors.push(duplicateError(PORTS.index(i), portIdentity(port)));
    numbers.add(key);
  }
}

function checkPort(errors: FieldError[], path: FieldPath, port: ServicePort, named: boolean, names: Set<string>): void {
  if (isBlank(port.name)) {
    if (named) errors.push(requiredError(path.child('name')));
  } else {
    checkShape(errors, path.child('name'), port.name, dns1123Label);
    if (names.has(port.name)) errors.push(duplicateError(path.child('name'), port.name));
    names.add(port.name);
  }
  checkShape(errors, path.child('port'), port.port ?? 0, portNumber);
  checkEnum(errors, path.child('protocol'), port.protocol, ['SCTP', 'TCP', 'UDP']);
  const target = port.targetPort ?? 0;
  if (typeof target === 'number') checkShape(errors, path.child('targetPort'), target, portNumber);
  else checkShape(errors, path.child('targetPort'), target, portName);
  if (port.appProtocol !== undefined) checkShape(errors, path.child('appProtocol'), port.appProtocol, qualifiedName);
}

/** What of a port must be unique, as upstream prints it. */
function portIdentity(port: ServicePort): Record<string, unknown> {
  return { Name: '', Protocol: port.protocol, AppProtocol: null, Port: port.port, TargetPort: 0, NodePort: 0 };
}
