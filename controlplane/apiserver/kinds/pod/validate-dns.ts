/**
 * Validation of a pod's DNS settings, host name and host aliases. Source: Kubernetes `pkg/apis/core/validation`, 1.36.
 */
import {
  forbiddenError,
  invalidError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { dns1123Label, dns1123Subdomain } from '../../../../machinery/meta/names.ts';
import { ipAddress } from '../../../../machinery/meta/value-shapes.ts';
import type { PodSpec } from '../../../../proto/api/core-v1.ts';
import { checkEnum, checkOptional, checkShape, isBlank } from '../validation/checks.ts';

const POLICIES = ['ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None'];
const MAX_NAMESERVERS = 3;
const MAX_SEARCHES = 32;
const MAX_SEARCH_CHARS = 2048;

export function checkDns(errors: FieldError[], path: FieldPath, spec: PodSpec): void {
  checkEnum(errors, path.child('dnsPolicy'), spec.dnsPolicy, POLICIES, 'required');
  checkDnsConfig(errors, path.child('dnsConfig'), spec);
  checkOptional(errors, path.child('hostname'), spec.hostname, dns1123Label);
  checkOptional(errors, path.child('subdomain'), spec.subdomain, dns1123Label);
  checkHostnameOverride(errors, path, spec);
  for (const [i, alias] of (spec.hostAliases ?? []).entries()) {
    const at = path.child('hostAliases').index(i);
    checkShape(errors, at.child('ip'), alias.ip ?? '', ipAddress);
    for (const [j, name] of (alias.hostnames ?? []).entries()) {
      checkShape(errors, at.child('hostnames').index(j), name, dns1123Subdomain);
    }
  }
}

function checkDnsConfig(errors: FieldError[], path: FieldPath, spec: PodSpec): void {
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
  for (const [i, server] of nameservers.entries()) {
    checkShape(errors, path.child('nameservers').index(i), server, ipAddress);
  }
  if (searches.length > MAX_SEARCHES) {
    errors.push(invalidError(path.child('searches'), searches, `must not have more than ${MAX_SEARCHES} search paths`));
  }
  if (searches.join(' ').length > MAX_SEARCH_CHARS) {
    const why = `must not have more than ${MAX_SEARCH_CHARS} characters (including spaces) in the search list`;
    errors.push(invalidError(path.child('searches'), searches, why));
  }
  for (const [i, search] of searches.entries()) {
    // Underscores and a trailing dot are common in search paths and known to work.
    const plain = search === '.' ? 'a' : search.replace(/\.$/, '').replaceAll('_', 'a');
    for (const problem of dns1123Subdomain(plain))
      errors.push(invalidError(path.child('searches').index(i), search, problem));
  }
  for (const [i, option] of (config.options ?? []).entries()) {
    if (isBlank(option.name)) errors.push(requiredError(path.child('options').index(i), 'must not be empty'));
  }
}

function checkHostnameOverride(errors: FieldError[], path: FieldPath, spec: PodSpec): void {
  const override = spec.hostnameOverride;
  if (override === undefined) return;
  const at = path.child('hostnameOverride');
  if (override.length > 64) errors.push(invalidError(at, override, 'must be no more than 64 characters'));
  checkShape(errors, at, override, dns1123Subdomain);
  if (spec.hostNetwork === true) errors.push(forbiddenError(at, 'may not be specified when hostNetwork is true'));
  if (spec.setHostnameAsFQDN === true) {
    errors.push(forbiddenError(at, 'may not be specified when setHostnameAsFQDN is true'));
  }
}
