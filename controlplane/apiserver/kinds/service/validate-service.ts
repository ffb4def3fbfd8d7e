/** Validation of Services. Source: Kubernetes `pkg/apis/core/validation` (services), 1.36. */
import {
  forbiddenError,
  invalidError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { dns1123Subdomain, qualifiedName } from '../../../../machinery/meta/names.ts';
import { validateLabels } from '../../../../machinery/meta/object-meta-validation.ts';
import { cidr, ipAddress } from '../../../../machinery/meta/value-shapes.ts';
import type { Service, ServiceSpec } from '../../../../proto/api/core-v1.ts';
import { checkEnum, checkShape, isBlank } from '../validation/checks.ts';
import { isExternallyAccessible, needsClusterIP } from './default-service.ts';
import { checkServicePorts } from './validate-service-ports.ts';

const SPEC = FieldPath.of('spec');
const TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const FAMILIES = ['IPv4', 'IPv6'];
const POLICIES = ['PreferDualStack', 'RequireDualStack', 'SingleStack'];
const MAX_AFFINITY_SECONDS = 86400;

export function validateService({ spec }: Service): FieldError[] {
  const errors: FieldError[] = [];
  checkServicePorts(errors, spec);
  checkTypeRules(errors, spec);
  errors.push(...validateLabels(spec.selector, SPEC.child('selector')));
  checkAffinity(errors, spec);
  checkEnum(errors, SPEC.child('type'), spec.type, TYPES);
  checkClusterIPs(errors, spec);
  for (const [i, ip] of (spec.externalIPs ?? []).entries())
    checkShape(errors, SPEC.child('externalIPs').index(i), ip, ipAddress);
  checkTraffic(errors, spec);
  checkLoadBalancer(errors, spec);
  return errors;
}

export function validateServiceUpdate({ spec }: Service, { spec: older }: Service): FieldError[] {
  const errors: FieldError[] = [];
  const fixed = older.type !== 'ExternalName' && spec.type !== 'ExternalName';
  const was = older.clusterIPs?.[0] ?? '';
  if (fixed && was !== '' && (spec.clusterIPs?.[0] ?? '') !== was) {
    const why =
      spec.clusterIPs === undefined || spec.clusterIPs.length === 0
        ? 'primary clusterIP can not be unset'
        : 'may not change once set';
    errors.push(invalidError(SPEC.child('clusterIPs').index(0), spec.clusterIPs ?? [], why));
  }
  if (
    older.type === 'LoadBalancer' &&
    spec.type === 'LoadBalancer' &&
    older.loadBalancerClass !== spec.loadBalancerClass
  ) {
    errors.push(invalidError(SPEC.child('loadBalancerClass'), spec.loadBalancerClass, 'may not change once set'));
  }
  return errors;
}

function checkTypeRules(errors: FieldError[], spec: ServiceSpec): void {
  if (spec.type === 'ExternalName') {
    if ((spec.clusterIPs ?? []).length > 0) {
      errors.push(forbiddenError(SPEC.child('clusterIPs'), 'may not be set for ExternalName services'));
    }
    const name = (spec.externalName ?? '').replace(/\.$/, '');
    if (name === '') errors.push(requiredError(SPEC.child('externalName')));
    else checkShape(errors, SPEC.child('externalName'), name, dns1123Subdomain);
  } else if (spec.type !== 'ClusterIP' && spec.clusterIP === 'None') {
    const why = `may not be set to 'None' for ${spec.type} services`;
    errors.push(invalidError(SPEC.child('clusterIPs').index(0), 'None', why));
  }
}

function checkAffinity(errors: FieldError[], spec: ServiceSpec): void {
  checkEnum(errors, SPEC.child('sessionAffinity'), spec.sessionAffinity, ['ClientIP', 'None']);
  const at = SPEC.child('sessionAffinityConfig');
  if (spec.sessionAffinity === 'ClientIP') {
    const seconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds;
    if (seconds === undefined) {
      errors.push(requiredError(at, 'when session affinity type is ClientIP'));
    } else if (seconds <= 0 || seconds > MAX_AFFINITY_SECONDS) {
      const why = `must be greater than 0 and less than ${MAX_AFFINITY_SECONDS}`;
      errors.push(invalidError(at.child('clientIP', 'timeoutSeconds'), seconds, why));
    }
  } else if (spec.sessionAffinityConfig !== undefined) {
    errors.push(forbiddenError(at, `must not be set when session affinity is ${spec.sessionAffinity ?? ''}`));
  }
}

function checkClusterIPs(errors: FieldError[], spec: ServiceSpec): void {
  const at = SPEC.child('clusterIPs');
  const ips = spec.clusterIPs ?? [];
  for (const [i, family] of (spec.ipFamilies ?? []).entries()) {
    if (!FAMILIES.includes(family)) errors.push(notSupportedError(SPEC.child('ipFamilies').index(i), family, FAMILIES));
  }
  if (spec.ipFamilyPolicy !== undefined)
    checkEnum(errors, SPEC.child('ipFamilyPolicy'), spec.ipFamilyPolicy, POLICIES, 'unsupported');
  if (!needsClusterIP(spec)) return;
  if (ips.length > 2) errors.push(invalidError(at, ips, 'may only hold up to 2 values'));
  if (ips.includes('None')) {
    if (ips.length > 1) errors.push(invalidError(at, ips, "'None' must be the first and only value"));
  } else for (const [i, ip] of ips.entries()) checkShape(errors, at.index(i), ip, ipAddress);
  if (ips.length > 0 && (spec.clusterIP ?? '') !== ips[0]) {
    errors.push(invalidError(at, ips, 'first value must match `clusterIP`'));
  }
}

function checkTraffic(errors: FieldError[], spec: ServiceSpec): void {
  const policies = ['Cluster', 'Local'];
  const external = SPEC.child('externalTrafficPolicy');
  if (isExternallyAccessible(spec)) {
    if (isBlank(spec.externalTrafficPolicy)) errors.push(requiredError(external));
    else checkEnum(errors, external, spec.externalTrafficPolicy, policies);
  } else if (!isBlank(spec.externalTrafficPolicy)) {
    errors.push(
      invalidError(external, spec.externalTrafficPolicy, 'may only be set for externally-accessible services'),
    );
  }
  if (needsClusterIP(spec))
    checkEnum(errors, SPEC.child('internalTrafficPolicy'), spec.internalTrafficPolicy, policies);
  const distributions = ['PreferClose', 'PreferSameNode', 'PreferSameZone'];
  checkEnum(errors, SPEC.child('trafficDistribution'), spec.trafficDistribution, distributions, 'allowed');
  const health = spec.healthCheckNodePort;
  if (health && !(spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local')) {
    const why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
    errors.push(invalidError(SPEC.child('healthCheckNodePort'), health, why));
  }
}

function checkLoadBalancer(errors: FieldError[], spec: ServiceSpec): void {
  const why = "may only be used when `type` is 'LoadBalancer'";
  if (spec.type === 'LoadBalancer') {
    if (spec.allocateLoadBalancerNodePorts === undefined)
      errors.push(requiredError(SPEC.child('allocateLoadBalancerNodePorts')));
    if (spec.loadBalancerClass !== undefined) {
      checkShape(errors, SPEC.child('loadBalancerClass'), spec.loadBalancerClass, qualifiedName);
    }
    for (const [i, range] of (spec.loadBalancerSourceRanges ?? []).entries()) {
      checkShape(errors, SPEC.child('loadBalancerSourceRanges').index(i), range.trim(), cidr);
    }
    return;
  }
  if (spec.allocateLoadBalancerNodePorts !== undefined) {
    errors.push(forbiddenError(SPEC.child('allocateLoadBalancerNodePorts'), why));
  }
  if (spec.loadBalancerClass !== undefined) errors.push(forbiddenError(SPEC.child('loadBalancerClass'), why));
  if ((spec.loadBalancerSourceRanges ?? []).length > 0) {
    errors.push(forbiddenError(SPEC.child('loadBalancerSourceRanges'), why));
  }
}
