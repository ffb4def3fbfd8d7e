/**
 * Validation of a pod's DNS settings, host name and host aliases. Source: Kubernetes `pkg/apis/core/validation`, 1.36.
 */
import { forbiddenError, invalidError, requiredError, type FieldError } from '../meta/field-error.ts';
import type { FieldPath } from '../meta/field-path.ts';
import { dns1123Subdomain } from '../meta/names.ts';
import { ipAddress } from '../meta/value-shapes.ts';
import type { HostAlias, PodSpec } from '../../proto/api/core-v1.ts';
import { checkShape, isBlank } from '../validation/checks.ts';

export const DNS_POLICIES = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'];
const MAX_NAMESERVERS = 3;
const MAX_SEARCHES = 32;
const MAX_SEARCH_CHARS = 2048;

export function checkHostAliases(
  errors: FieldError[],
  path: FieldPath,
  aliases: readonly HostAlias[] | undefined,
): void {
  for (const [i, alias] of (aliases ?? []).entries()) {
    const at = path.index(i);
    checkShape(errors, at.child('ip'), alias.ip ?? '', ipAddress);
    for (const [j, name] of (alias.hostnames ?? []).entries())
      checkShape(errors, at.child('hostnames').index(j), name, dns1123Subdomain);
  }
}

/** @param path of dnsConfig */
export function checkDnsConfig(errors: FieldError[], path: FieldPath, spec: PodSpec): void {
  const config = spec.dnsConfig;
  if (spec.dnsPolicy === 'None') {
    if (config === undefined) {
      errors.push(requiredError(path, 'must provide `dnsConfig` when `dnsPolicy` is None'));
      return;
    }
    if ((config.nameservers ?? []).length === 0) {
      const why = 'must provide at least one DNS nameserver when `dnsPolicy` is None';
      errors.push(requiredError(path.child('nameservers'), why));
      return;
    }
  }
  if (config === undefined) return;
  const nameservers = config.nameservers ?? [];
  const searches = config.searches ?? [];
  if (nameservers.length > MAX_NAMESERVERS) {
    const why = `must not have more than ${MAX_NAMESERVERS} nameservers`;
    errors.push(invalidError(path.child('nameservers'), nameservers, why));
  }
  for (const [i, server] of nameservers.entries())
    checkShape(errors, path.child('nameservers').index(i), server, ipAddress);
  if (searches.length > MAX_SEARCHES)
    errors.push(invalidError(path.child('searches'), searches, `must not have more than ${MAX_SEARCHES} search paths`));
  if (searches.join(' ').length > MAX_SEARCH_CHARS) {
    const why = `must not have more than ${MAX_SEARCH_CHARS} characters (including spaces) in the search list`;
    errors.push(invalidError(path.child('searches'), searches, why));
  }
  for (const [i, search] of searches.entries()) {
    if (search === '.') continue;
    checkShape(errors, path.child('searches').index(i), search.replace(/\.$/, ''), searchPath);
  }
  for (const [i, option] of (config.options ?? []).entries())
    if (isBlank(option.name)) errors.push(requiredError(path.child('options').index(i), 'must not be empty'));
}

export function checkHostnameOverride(errors: FieldError[], path: FieldPath, spec: PodSpec): void {
  const override = spec.hostnameOverride;
  if (override === undefined) return;
  const at = path.child('hostnameOverride');
  checkShape(errors, at, override, dns1123Subdomain);
  if (override.length > 64) errors.push(invalidError(at, override, 'must be no more than 64 characters'));
  if (spec.hostNetwork === true) errors.push(forbiddenError(at, 'may not be specified when hostNetwork is true'));
  if (spec.setHostnameAsFQDN === true)
    errors.push(forbiddenError(at, 'may not be specified when setHostnameAsFQDN is true'));
}

/** Underscores are common in search paths. */
function searchPath(value: string): string[] {
  if (value.length > 253) return ['must be no more than 253 characters'];
  const label = '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
  const pattern = `${label}(\\.${label})*`;
  if (new RegExp(`^${pattern}$`).test(value)) return [];
  const why =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character";
  return [`${why} (e.g. 'example.com', regex used for validation is '${pattern}')`];
}
