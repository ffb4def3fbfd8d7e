/**
 * Validation of a Service's cluster addresses and address families, alone and from one state to the next.
 * Source: Kubernetes `pkg/apis/core/validation` (ValidateServiceClusterIPsRelatedFields, validateUpgradeDowngrade*), 1.36.
 */
import {
  duplicateError,
  invalidError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { ipAddress } from '../../../../machinery/meta/value-shapes.ts';
import type { ServiceSpec } from '../../../../proto/api/core-v1.ts';
import { checkShape, isBlank } from '../../../../machinery/validation/checks.ts';

const IPS = FieldPath.of('spec', 'clusterIPs');
const FAMILY_LIST = FieldPath.of('spec', 'ipFamilies');
const POLICY = FieldPath.of('spec', 'ipFamilyPolicy');
const FAMILIES = ['IPv4', 'IPv6'];
const POLICIES = ['PreferDualStack', 'RequireDualStack', 'SingleStack'];

export function isHeadless(spec: ServiceSpec): boolean {
  return spec.clusterIPs?.length === 1 && spec.clusterIPs[0] === 'None';
}

/** Rules of one state. */
export function clusterIPErrors(spec: ServiceSpec): FieldError[] {
  if (spec.type === 'ExternalName') return [];
  const errors: FieldError[] = [];
  const ips = spec.clusterIPs ?? [];
  const families = spec.ipFamilies ?? [];
  if (!isBlank(spec.clusterIP)) {
    if (ips.length === 0) errors.push(requiredError(IPS));
    else if (ips[0] !== spec.clusterIP) errors.push(invalidError(IPS, ips, 'first value must match `clusterIP`'));
  } else if (ips.length > 0) {
    errors.push(invalidError(IPS, ips, 'must be empty when `clusterIP` is not specified'));
  }
  for (const [i, family] of families.entries()) {
    if (!FAMILIES.includes(family)) errors.push(notSupportedError(FAMILY_LIST.index(i), family, FAMILIES));
    if (families.indexOf(family) < i) errors.push(duplicateError(FAMILY_LIST.index(i), family));
  }
  if (spec.ipFamilyPolicy !== undefined && !POLICIES.includes(spec.ipFamilyPolicy)) {
    errors.push(notSupportedError(POLICY, spec.ipFamilyPolicy, POLICIES));
  }
  const malformed = checkAddresses(errors, ips);
  if (ips.length > 2) errors.push(invalidError(IPS, ips, 'may only hold up to 2 values'));
  // Malformed addresses belong to no family: whatever could be said about that would mislead.
  if (malformed) return errors;
  if (ips.length > 1 && new Set(ips.map(isIPv6)).size < ips.length) {
    errors.push(invalidError(IPS, ips, 'may specify no more than one IP for each IP family'));
  }
  if (!isHeadless(spec)) {
    for (const [i, ip] of ips.entries()) {
      const family = families[i];
      if (family === undefined || (family === 'IPv6') === isIPv6(ip)) continue;
      errors.push(invalidError(IPS.index(i), ip, `expected an ${family} value as indicated by \`ipFamilies[${i}]\``));
    }
  }
  return errors;
}

/** Primary address and family stay; the second one may come, and may go if SingleStack says so. */
export function clusterIPChangeErrors(spec: ServiceSpec, older: ServiceSpec): FieldError[] {
  if (spec.type === 'ExternalName' || older.type === 'ExternalName') return [];
  const errors: FieldError[] = [];
  const wasHeadless = isHeadless(older);
  const headless = isHeadless(spec);
  if (wasHeadless && headless) return errors;
  checkAddressChange(errors, spec, older);
  if (!wasHeadless && !headless) checkFamilyChange(errors, spec, older);
  return errors;
}

function checkAddresses(errors: FieldError[], ips: readonly string[]): boolean {
  let malformed = false;
  for (const [i, ip] of ips.entries()) {
    const before = errors.length;
    if (i > 0 || ip !== 'None') checkShape(errors, IPS.index(i), ip, ipAddress);
    else if (ips.length > 1) errors.push(invalidError(IPS, ips, "'None' must be the first and only value"));
    if (errors.length > before) malformed = true;
  }
  return malformed;
}

function checkAddressChange(errors: FieldError[], spec: ServiceSpec, older: ServiceSpec): void {
  const ips = spec.clusterIPs ?? [];
  const was = older.clusterIPs ?? [];
  const fixed = 'may not change once set';
  if (was.length === ips.length) {
    for (const [i, ip] of was.entries()) if (ip !== ips[i]) errors.push(invalidError(IPS.index(i), ips, fixed));
    return;
  }
  if (ips.length === 0) errors.push(invalidError(IPS.index(0), ips, 'primary clusterIP can not be unset'));
  else if (was.length > 0 && was[0] !== ips[0]) errors.push(invalidError(IPS.index(0), ips, fixed));
  if (was.length > ips.length && ips.length === 1 && spec.ipFamilyPolicy !== 'SingleStack') {
    const why = "must be set to 'SingleStack' when releasing the secondary clusterIP";
    errors.push(invalidError(POLICY, spec.ipFamilyPolicy, why));
  }
}

function checkFamilyChange(errors: FieldError[], spec: ServiceSpec, older: ServiceSpec): void {
  const families = spec.ipFamilies ?? [];
  const was = older.ipFamilies ?? [];
  const at = FAMILY_LIST.index(0);
  const fixed = 'may not change once set';
  if (was.length === families.length) {
    for (const [i, family] of was.entries()) if (family !== families[i]) errors.push(invalidError(at, families, fixed));
    return;
  }
  if (was.length > families.length && (spec.clusterIPs ?? []).length === 0)
    errors.push(invalidError(at, families, 'primary ipFamily can not be unset'));
  if (families.length > 0 && was.length > 0 && families[0] !== was[0])
    errors.push(invalidError(at, spec.clusterIPs ?? [], fixed));
  if (was.length > families.length && families.length === 1 && spec.ipFamilyPolicy !== 'SingleStack') {
    const why = "must be set to 'SingleStack' when releasing the secondary ipFamily";
    errors.push(invalidError(POLICY, spec.ipFamilyPolicy, why));
  }
}

function isIPv6(ip: string): boolean {
  return ip.includes(':');
}
