/**
 * Validation of Services. The order of the checks is upstream's, so that several errors are told in the same order.
 * Source: Kubernetes `pkg/apis/core/validation` (services), 1.36.
 */
import {
  forbiddenError,
  invalidError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { dns1123Subdomain, qualifiedName } from '../../../../machinery/meta/names.ts';
import { validateLabels } from '../../../../machinery/meta/object-meta-validation.ts';
import { cidr, ipAddress, portNumber } from '../../../../machinery/meta/value-shapes.ts';
import type { Service, ServiceSpec } from '../../../../proto/api/core-v1.ts';
import { checkNonSpecialIP } from '../validation/special-addresses.ts';
import { checkEnum, checkShape, isBlank } from '../../../../machinery/validation/checks.ts';
import { isExternallyAccessible, needsClusterIP, needsHealthPort } from './default-service.ts';
import { clusterIPChangeErrors, clusterIPErrors, isHeadless } from './validate-cluster-ips.ts';
import { checkServicePortPairs, checkServicePorts } from './validate-service-ports.ts';

const SPEC = FieldPath.of('spec');
const ANNOTATIONS = FieldPath.of('metadata', 'annotations');
const TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const POLICIES = ['Cluster', 'Local'];
const DISTRIBUTIONS = ['PreferClose', 'PreferSameZone', 'PreferSameNode'];
const MAX_AFFINITY_SECONDS = 86400;
const SOURCE_RANGES = 'service.beta.kubernetes.io/load-balancer-source-ranges';
const TOPOLOGY_MODE = 'service.kubernetes.io/topology-mode';
const TOPOLOGY_HINTS = 'service.kubernetes.io/topology-aware-hints';
const BALANCER_ONLY = "may only be used when `type` is 'LoadBalancer'";

export function validateService(service: Service): FieldError[] {
  const errors: FieldError[] = [];
  const { spec } = service;
  checkTopology(errors, service.metadata.annotations ?? {});
  if ((spec.ports ?? []).length === 0 && !isHeadless(spec) && spec.type !== 'ExternalName')
    errors.push(requiredError(SPEC.child('ports')));
  checkTypeRules(errors, spec);
  checkServicePorts(errors, spec);
  errors.push(...validateLabels(spec.selector, SPEC.child('selector')));
  checkAffinity(errors, spec);
  errors.push(...clusterIPErrors(spec));
  for (const [i, ip] of (spec.externalIPs ?? []).entries()) {
    const at = SPEC.child('externalIPs').index(i);
    const before = errors.length;
    checkShape(errors, at, ip, ipAddress);
    if (errors.length === before) checkNonSpecialIP(errors, at, ip);
  }
  checkEnum(errors, SPEC.child('type'), spec.type, TYPES);
  checkServicePortPairs(errors, spec);
  checkSourceRanges(errors, service);
  checkLoadBalancer(errors, spec);
  checkTraffic(errors, spec);
  return errors;
}

export function validateServiceUpdate({ spec }: Service, { spec: older }: Service): FieldError[] {
  const errors = clusterIPChangeErrors(spec, older);
  if (
    older.type === 'LoadBalancer' &&
    spec.type === 'LoadBalancer' &&
    older.loadBalancerClass !== spec.loadBalancerClass
  ) {
    errors.push(invalidError(SPEC.child('loadBalancerClass'), spec.loadBalancerClass, 'may not change once set'));
  }
  if (
    needsHealthPort(older) &&
    needsHealthPort(spec) &&
    (spec.healthCheckNodePort ?? 0) !== (older.healthCheckNodePort ?? 0)
  ) {
    errors.push(forbiddenError(SPEC.child('healthCheckNodePort'), 'field is immutable'));
  }
  return errors;
}

/** What a load balancer's controller may write. */
export function validateServiceStatus({ status }: Service): FieldError[] {
  const errors: FieldError[] = [];
  for (const [i, ingress] of (status?.loadBalancer?.ingress ?? []).entries()) {
    const at = FieldPath.of('status', 'loadBalancer', 'ingress').index(i);
    const { ip = '', ipMode, hostname = '' } = ingress;
    if (ip !== '') checkShape(errors, at.child('ip'), ip, ipAddress);
    if (ipMode === undefined) {
      if (ip !== '') errors.push(requiredError(at.child('ipMode'), 'must be specified when `ip` is set'));
    } else if (ip === '') errors.push(forbiddenError(at.child('ipMode'), 'may not be specified when `ip` is not set'));
    else checkEnum(errors, at.child('ipMode'), ipMode, ['Proxy', 'VIP']);
    if (hostname === '') continue;
    checkShape(errors, at.child('hostname'), hostname, dns1123Subdomain);
    if (ipAddress(hostname).length === 0)
      errors.push(invalidError(at.child('hostname'), hostname, 'must be a DNS name, not an IP address'));
  }
  return errors;
}

function checkTopology(errors: FieldError[], annotations: Readonly<Record<string, string>>): void {
  const mode = annotations[TOPOLOGY_MODE];
  const hints = annotations[TOPOLOGY_HINTS];
  if (mode === undefined || hints === undefined || mode === hints) return;
  const why = `must match annotations[${TOPOLOGY_HINTS}] when both are specified`;
  errors.push(invalidError(ANNOTATIONS.key(TOPOLOGY_MODE), mode, why));
}

function checkTypeRules(errors: FieldError[], spec: ServiceSpec): void {
  if (spec.type === 'LoadBalancer' || spec.type === 'NodePort') {
    if (!isHeadless(spec)) return;
    const why = `may not be set to 'None' for ${spec.type} services`;
    errors.push(invalidError(SPEC.child('clusterIPs').index(0), 'None', why));
  }
  if (spec.type !== 'ExternalName') return;
  const why = 'may not be set for ExternalName services';
  if ((spec.clusterIPs ?? []).length > 0) errors.push(forbiddenError(SPEC.child('clusterIPs'), why));
  if ((spec.ipFamilies ?? []).length > 0) errors.push(forbiddenError(SPEC.child('ipFamilies'), why));
  if (spec.ipFamilyPolicy !== undefined) errors.push(forbiddenError(SPEC.child('ipFamilyPolicy'), why));
  const name = (spec.externalName ?? '').replace(/\.$/, '');
  if (name === '') errors.push(requiredError(SPEC.child('externalName')));
  else checkShape(errors, SPEC.child('externalName'), name, dns1123Subdomain);
}

function checkAffinity(errors: FieldError[], spec: ServiceSpec): void {
  checkEnum(errors, SPEC.child('sessionAffinity'), spec.sessionAffinity, ['ClientIP', 'None']);
  const at = SPEC.child('sessionAffinityConfig');
  const config = spec.sessionAffinityConfig;
  if (spec.sessionAffinity === 'ClientIP') {
    const why = 'when session affinity type is ClientIP';
    const seconds = config?.clientIP?.timeoutSeconds;
    if (config === undefined) errors.push(requiredError(at, why));
    else if (config.clientIP === undefined) errors.push(requiredError(at.child('clientIP'), why));
    else if (seconds === undefined) errors.push(requiredError(at.child('clientIP', 'timeoutSeconds'), why));
    else if (seconds <= 0 || seconds > MAX_AFFINITY_SECONDS) {
      const range = `must be greater than 0 and less than ${MAX_AFFINITY_SECONDS}`;
      errors.push(invalidError(at.child('clientIP', 'timeoutSeconds'), seconds, range));
    }
  } else if (spec.sessionAffinity === 'None' && config !== undefined) {
    errors.push(forbiddenError(at, 'must not be set when session affinity is None'));
  }
}

/** The annotation counts where the field says nothing. The field's path begins upstream with a capital, and so here. */
function checkSourceRanges(errors: FieldError[], { spec, metadata }: Service): void {
  const ranges = spec.loadBalancerSourceRanges ?? [];
  if (ranges.length > 0) {
    const at = SPEC.child('LoadBalancerSourceRanges');
    if (spec.type !== 'LoadBalancer') errors.push(forbiddenError(at, BALANCER_ONLY));
    for (const [i, range] of ranges.entries()) checkShape(errors, at.index(i), range.trim(), cidr);
    return;
  }
  const annotation = metadata.annotations?.[SOURCE_RANGES];
  if (annotation === undefined) return;
  const at = ANNOTATIONS.key(SOURCE_RANGES);
  if (spec.type !== 'LoadBalancer') errors.push(forbiddenError(at, BALANCER_ONLY));
  if (annotation.trim() === '') return;
  for (const range of annotation.split(',')) checkShape(errors, at, range.trim(), cidr);
}

function checkLoadBalancer(errors: FieldError[], spec: ServiceSpec): void {
  if (spec.type === 'LoadBalancer') {
    if (spec.allocateLoadBalancerNodePorts === undefined) errors.push(requiredError('allocateLoadBalancerNodePorts'));
    if (spec.loadBalancerClass !== undefined)
      checkShape(errors, SPEC.child('loadBalancerClass'), spec.loadBalancerClass, qualifiedName);
    return;
  }
  if (spec.allocateLoadBalancerNodePorts !== undefined)
    errors.push(forbiddenError(SPEC.child('allocateLoadBalancerNodePorts'), BALANCER_ONLY));
  if (spec.loadBalancerClass !== undefined) errors.push(forbiddenError(SPEC.child('loadBalancerClass'), BALANCER_ONLY));
}

function checkTraffic(errors: FieldError[], spec: ServiceSpec): void {
  const external = SPEC.child('externalTrafficPolicy');
  if (isExternallyAccessible(spec)) checkEnum(errors, external, spec.externalTrafficPolicy, POLICIES);
  else if (!isBlank(spec.externalTrafficPolicy)) {
    const why = 'may only be set for externally-accessible services';
    errors.push(invalidError(external, spec.externalTrafficPolicy, why));
  }
  const health = spec.healthCheckNodePort ?? 0;
  const at = SPEC.child('healthCheckNodePort');
  // Where one is needed and none is named, the allocation gives one.
  if (health !== 0 && needsHealthPort(spec)) checkShape(errors, at, health, portNumber);
  else if (health !== 0) {
    const why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
    errors.push(invalidError(at, health, why));
  }
  const internal = spec.internalTrafficPolicy;
  checkEnum(
    errors,
    SPEC.child('internalTrafficPolicy'),
    internal,
    POLICIES,
    internal === undefined && !needsClusterIP(spec) ? 'allowed' : internal === undefined ? 'required' : 'unsupported',
  );
  if (spec.trafficDistribution !== undefined)
    checkEnum(errors, SPEC.child('trafficDistribution'), spec.trafficDistribution, DISTRIBUTIONS, 'unsupported');
}
