/** EndpointSlices. Source: Kubernetes `pkg/apis/discovery/validation` and `pkg/printers`, 1.36. */
import {
  duplicateError,
  invalidError,
  requiredError,
  tooManyError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { dns1123Label, dns1123Subdomain, labelValue, qualifiedName } from '../../../../machinery/meta/names.ts';
import { ipFamilyOf, portNumber } from '../../../../machinery/meta/value-shapes.ts';
import { validateLabels } from '../../../../machinery/meta/object-meta-validation.ts';
import type { Endpoint, EndpointSlice, ForZone } from '../../../../proto/api/discovery-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkEnum, checkImmutable, checkOptional, checkShape } from '../../../../machinery/validation/checks.ts';
import { checkNonSpecialIP } from '../validation/special-addresses.ts';

const ENDPOINTS = FieldPath.of('endpoints');
const PORTS = FieldPath.of('ports');
const TYPES = ['FQDN', 'IPv4', 'IPv6'];
const MAX_ENDPOINTS = 1000;
const MAX_PORTS = 20000;
const MAX_ADDRESSES = 100;
const MAX_SHOWN = 3;
const MAX_TOPOLOGY = 16;
const MAX_ZONES = 8;

export const endpointSliceStrategy: Strategy<EndpointSlice> = {
  info: kindInfo('discovery.k8s.io', 'EndpointSlice'),
  tracksGeneration: true,
  columns: [
    nameColumn,
    column('AddressType', 'Form of the addresses.', slice => slice.addressType ?? ''),
    column('Ports', 'Ports of every endpoint.', slice =>
      shortened(
        (slice.ports ?? []).map(port => (port.port === undefined ? '*' : String(port.port))),
        '<unset>',
      ),
    ),
    column('Endpoints', 'Addresses.', slice =>
      shortened(
        (slice.endpoints ?? []).flatMap(endpoint => endpoint.addresses ?? []),
        '<unset>',
      ),
    ),
    ageColumn,
  ],
  allowUnconditionalUpdate: true,
  default(slice) {
    for (const endpoint of slice.endpoints ?? []) endpoint.conditions ??= {};
    for (const port of slice.ports ?? []) {
      port.name ??= '';
      port.protocol ||= 'TCP';
    }
  },
  validate(slice) {
    const errors: FieldError[] = [];
    const endpoints = slice.endpoints ?? [];
    const ports = slice.ports ?? [];
    checkEnum(errors, FieldPath.of('addressType'), slice.addressType, TYPES);
    if (endpoints.length > MAX_ENDPOINTS) errors.push(tooManyError(ENDPOINTS, endpoints.length, MAX_ENDPOINTS));
    else
      for (const [i, endpoint] of endpoints.entries())
        checkEndpoint(errors, ENDPOINTS.index(i), endpoint, slice.addressType);
    if (ports.length > MAX_PORTS) errors.push(tooManyError(PORTS, ports.length, MAX_PORTS));
    const names = new Set<string>();
    for (const [i, port] of ports.entries()) {
      const at = PORTS.index(i);
      const name = port.name ?? '';
      if (name !== '') checkShape(errors, at.child('name'), name, dns1123Label);
      if (names.has(name)) errors.push(duplicateError(at.child('name'), name));
      names.add(name);
      checkEnum(errors, at.child('protocol'), port.protocol, ['SCTP', 'TCP', 'UDP']);
      if (port.port !== undefined) checkShape(errors, at.child('port'), port.port, portNumber);
      checkOptional(errors, at.child('appProtocol'), port.appProtocol, qualifiedName);
    }
    return errors;
  },
  validateUpdate(slice, older) {
    const errors: FieldError[] = [];
    checkImmutable(errors, FieldPath.of('addressType'), slice.addressType, older.addressType);
    return errors;
  },
};

function checkEndpoint(errors: FieldError[], path: FieldPath, endpoint: Endpoint, type: string): void {
  const at = path.child('addresses');
  const addresses = endpoint.addresses ?? [];
  if (addresses.length === 0) errors.push(requiredError(at, 'must contain at least 1 address'));
  else if (addresses.length > MAX_ADDRESSES) errors.push(tooManyError(at, addresses.length, MAX_ADDRESSES));
  for (const [i, address] of addresses.entries()) {
    if (type === 'FQDN') checkShape(errors, at.index(i), address, dns1123Subdomain);
    else if ((type === 'IPv4' || type === 'IPv6') && ipFamilyOf(address) !== type) {
      errors.push(invalidError(at.index(i), address, `must be a valid ${type} address`));
    }
    if (ipFamilyOf(address) === type) checkNonSpecialIP(errors, at.index(i), address);
  }
  const topology = path.child('deprecatedTopology');
  const labels = endpoint.deprecatedTopology ?? {};
  if (Object.keys(labels).length > MAX_TOPOLOGY)
    errors.push(tooManyError(topology, Object.keys(labels).length, MAX_TOPOLOGY));
  errors.push(...validateLabels(labels, topology));
  checkHints(errors, path.child('hints', 'forZones'), endpoint.hints?.forZones);
  checkOptional(errors, path.child('nodeName'), endpoint.nodeName, dns1123Subdomain);
  checkOptional(errors, path.child('hostname'), endpoint.hostname, dns1123Label);
}

function checkHints(errors: FieldError[], path: FieldPath, zones: readonly ForZone[] | undefined): void {
  if ((zones ?? []).length > MAX_ZONES) {
    errors.push(tooManyError(path, zones?.length ?? 0, MAX_ZONES));
    return;
  }
  const names = new Set<string>();
  for (const [i, { name }] of (zones ?? []).entries()) {
    const at = path.index(i).child('name');
    if (names.has(name)) errors.push(duplicateError(at, name));
    names.add(name);
    checkShape(errors, at, name ?? '', labelValue);
  }
}

function shortened(values: readonly string[], none: string): string {
  if (values.length === 0) return none;
  const shown = values.slice(0, MAX_SHOWN).join(',');
  return values.length > MAX_SHOWN ? `${shown} + ${values.length - MAX_SHOWN} more...` : shown;
}
