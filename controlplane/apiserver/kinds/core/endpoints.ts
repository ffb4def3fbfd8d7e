/** Endpoints. Source: Kubernetes `pkg/apis/core/validation` (endpoints) and `pkg/printers`, 1.36. */
import { requiredError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { hostPort } from '../../../../machinery/meta/host-port.ts';
import { dns1123Label, dns1123Subdomain, qualifiedName } from '../../../../machinery/meta/names.ts';
import { ipAddress, portNumber } from '../../../../machinery/meta/value-shapes.ts';
import type { EndpointAddress, EndpointPort, Endpoints } from '../../../../proto/api/core-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkEnum, checkOptional, checkShape, isBlank } from '../../../../machinery/validation/checks.ts';
import { checkNonSpecialIP } from '../validation/special-addresses.ts';

const SUBSETS = FieldPath.of('subsets');
const MAX_SHOWN = 3;

export const endpointsStrategy: Strategy<Endpoints> = {
  info: kindInfo('', 'Endpoints'),
  tracksGeneration: false,
  columns: [
    nameColumn,
    column('Endpoints', 'Addresses and ports that are ready.', endpoints => endpointsText(endpoints)),
    ageColumn,
  ],
  allowUnconditionalUpdate: true,
  allowCreateOnUpdate: true,
  default(endpoints) {
    for (const subset of endpoints.subsets ?? []) for (const port of subset.ports ?? []) port.protocol ||= 'TCP';
  },
  validate(endpoints) {
    const errors: FieldError[] = [];
    for (const [i, subset] of (endpoints.subsets ?? []).entries()) {
      const at = SUBSETS.index(i);
      if ((subset.addresses ?? []).length === 0 && (subset.notReadyAddresses ?? []).length === 0) {
        errors.push(requiredError(at, 'must specify `addresses` or `notReadyAddresses`'));
      }
      for (const list of ['addresses', 'notReadyAddresses'] as const) {
        for (const [j, address] of (subset[list] ?? []).entries())
          checkAddress(errors, at.child(list).index(j), address);
      }
      const ports = subset.ports ?? [];
      for (const [j, port] of ports.entries()) checkPort(errors, at.child('ports').index(j), port, ports.length > 1);
    }
    return errors;
  },
};

function checkAddress(errors: FieldError[], path: FieldPath, address: EndpointAddress): void {
  checkShape(errors, path.child('ip'), address.ip ?? '', ipAddress);
  checkOptional(errors, path.child('hostname'), address.hostname, dns1123Label);
  checkOptional(errors, path.child('nodeName'), address.nodeName, dns1123Subdomain);
  checkNonSpecialIP(errors, path.child('ip'), address.ip ?? '');
}

function checkPort(errors: FieldError[], path: FieldPath, port: EndpointPort, named: boolean): void {
  if (named && isBlank(port.name)) errors.push(requiredError(path.child('name')));
  else checkOptional(errors, path.child('name'), port.name, dns1123Label);
  checkShape(errors, path.child('port'), port.port ?? 0, portNumber);
  checkEnum(errors, path.child('protocol'), port.protocol, ['SCTP', 'TCP', 'UDP']);
  if (port.appProtocol !== undefined) checkShape(errors, path.child('appProtocol'), port.appProtocol, qualifiedName);
}

function endpointsText(endpoints: Endpoints): string {
  const shown: string[] = [];
  let count = 0;
  for (const { addresses = [], ports = [] } of endpoints.subsets ?? []) {
    const each = ports.length === 0 ? [undefined] : ports;
    for (const port of each) {
      for (const { ip } of addresses) {
        if (++count > MAX_SHOWN) continue;
        if (port === undefined) shown.push(ip);
        else shown.push(hostPort(ip, port.port));
      }
    }
  }
  if (count === 0) return '<none>';
  return count > MAX_SHOWN ? `${shown.join(',')} + ${count - MAX_SHOWN} more...` : shown.join(',');
}
