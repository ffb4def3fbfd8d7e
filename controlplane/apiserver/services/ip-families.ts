/**
 * Which address families a Service has: what its author said, what follows from that, and what this cluster can give.
 * Source: kubernetes `pkg/registry/core/service/storage/alloc.go` (initIPFamilyFields), 1.36.
 */
import { invalidError, type FieldError } from '../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../machinery/meta/field-path.ts';
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import type { ServiceSpec } from '../../../proto/api/core-v1.ts';
import { clusterIPErrors } from '../kinds/service/validate-cluster-ips.ts';
import { familyOfAddress, type Family } from './address-range.ts';

const SPEC = FieldPath.of('spec');
const POLICY = SPEC.child('ipFamilyPolicy');

/**
 * Fills in ipFamilyPolicy and ipFamilies of `spec`.
 *
 * @param configured the cluster's families, the primary one first
 * @returns what of it cannot be had
 */
export function settleFamilies(
  spec: ServiceSpec,
  older: ServiceSpec | undefined,
  configured: readonly Family[],
): FieldError[] {
  if (spec.type === 'ExternalName') return [];
  // A PreferDualStack service is not changed behind its author's back when the cluster's families change.
  if (older !== undefined && isUntouchedPreference(spec, older)) return [];
  const selectorlessHeadless = spec.clusterIP === 'None' && Object.keys(spec.selector ?? {}).length === 0;
  spec.ipFamilyPolicy ??= older?.ipFamilyPolicy ?? (selectorlessHeadless ? 'RequireDualStack' : 'SingleStack');
  const problems = clusterIPErrors(spec);
  if (problems.length > 0) return problems;

  const errors: FieldError[] = [];
  if (older !== undefined) settleReduction(errors, spec, older);
  if (spec.ipFamilyPolicy === 'SingleStack') {
    const why = "must be 'RequireDualStack' or 'PreferDualStack' when multiple";
    if (spec.clusterIPs?.length === 2)
      errors.push(invalidError(POLICY, spec.ipFamilyPolicy, `${why} cluster IPs are specified`));
    if (spec.ipFamilies?.length === 2)
      errors.push(invalidError(POLICY, spec.ipFamilyPolicy, `${why} IP families are specified`));
  }
  inferFromAddresses(errors, spec, configured);
  if (errors.length > 0) return errors;

  if (selectorlessHeadless) {
    const families = withDefault(spec, configured);
    if (spec.ipFamilyPolicy !== 'SingleStack') addOther(families);
    return [];
  }
  if (spec.ipFamilyPolicy === 'RequireDualStack' && configured.length < 2) {
    errors.push(invalidError(POLICY, spec.ipFamilyPolicy, 'this cluster is not configured for dual-stack services'));
  }
  for (const [i, family] of (spec.ipFamilies ?? []).entries()) {
    if (!configured.includes(family as Family))
      errors.push(invalidError(SPEC.child('ipFamilies').index(i), family, 'not configured on this cluster'));
  }
  if (errors.length > 0) return errors;
  const families = withDefault(spec, configured);
  if (spec.ipFamilyPolicy !== 'SingleStack' && configured.length === 2) addOther(families);
  return [];
}

function isUntouchedPreference(spec: ServiceSpec, older: ServiceSpec): boolean {
  return (
    spec.type === older.type &&
    spec.ipFamilyPolicy === 'PreferDualStack' &&
    older.ipFamilyPolicy === 'PreferDualStack' &&
    jsonEquals(spec.clusterIPs ?? [], older.clusterIPs ?? []) &&
    jsonEquals(spec.ipFamilies ?? [], older.ipFamilies ?? [])
  );
}

/** SingleStack alone says clearly that the second address goes; taking it out of the lists needs that word too. */
function settleReduction(errors: FieldError[], spec: ServiceSpec, older: ServiceSpec): void {
  const ips = spec.clusterIPs ?? [];
  const families = spec.ipFamilies ?? [];
  if (spec.ipFamilyPolicy === 'SingleStack') {
    if (jsonEquals(ips, older.clusterIPs ?? []) && ips.length > 1) spec.clusterIPs = ips.slice(0, 1);
    if (jsonEquals(families, older.ipFamilies ?? []) && families.length > 1) spec.ipFamilies = families.slice(0, 1);
    return;
  }
  if (isReduced(ips, older.clusterIPs))
    errors.push(invalidError(POLICY, spec.ipFamilyPolicy, "must be 'SingleStack' to release the secondary cluster IP"));
  if (isReduced(families, older.ipFamilies))
    errors.push(invalidError(POLICY, spec.ipFamilyPolicy, "must be 'SingleStack' to release the secondary IP family"));
}

/** Something is left, and it is less, and no different. */
function isReduced(now: readonly string[], before: readonly string[] | undefined): boolean {
  return now.length > 0 && before !== undefined && now.length < before.length && now.every((v, i) => v === before[i]);
}

function inferFromAddresses(errors: FieldError[], spec: ServiceSpec, configured: readonly Family[]): void {
  for (const [i, ip] of (spec.clusterIPs ?? []).entries()) {
    if (ip === 'None') return;
    if (i < (spec.ipFamilies?.length ?? 0)) continue;
    const family = familyOfAddress(ip);
    if (configured.includes(family)) spec.ipFamilies = [...(spec.ipFamilies ?? []), family];
    else {
      const why = `${family} is not configured on this cluster`;
      errors.push(invalidError(SPEC.child('clusterIPs').index(i), spec.clusterIPs, why));
    }
  }
}

function withDefault(spec: ServiceSpec, configured: readonly Family[]): string[] {
  if ((spec.ipFamilies ?? []).length === 0) spec.ipFamilies = [configured[0] ?? 'IPv4'];
  return (spec.ipFamilies ??= []);
}

function addOther(families: string[]): void {
  if (families.length === 1) families.push(families[0] === 'IPv4' ? 'IPv6' : 'IPv4');
}
