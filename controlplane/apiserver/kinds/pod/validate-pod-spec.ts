/**
 * Validation of a pod spec, in pods and in templates. Each topic stands in a file of its own beside this one.
 * Source: Kubernetes `pkg/apis/core/validation` (pod spec), 1.36.
 */
import {
  duplicateError,
  forbiddenError,
  invalidError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { dns1123Label, dns1123Subdomain, qualifiedName } from '../../../../machinery/meta/names.ts';
import type { PodSpec } from '../../../../proto/api/core-v1.ts';
import {
  checkEnum,
  checkNonNegative,
  checkOptional,
  checkRequired,
  checkShape,
  isBlank,
} from '../validation/checks.ts';
import { validateLabels } from '../../../../machinery/meta/object-meta-validation.ts';
import { checkResourceAmount, checkResourceName } from '../validation/resource-list.ts';
import { checkAffinity } from './validate-affinity.ts';
import { checkContainers, checkInitContainers, type PodFacts } from './validate-containers.ts';
import { checkDns } from './validate-dns.ts';
import { checkEphemeralContainers } from './validate-ephemeral.ts';
import { checkHostNetworkPorts } from './validate-ports.ts';
import { checkLimitsAndRequests } from './validate-resources.ts';
import { checkSchedulingGates, checkTolerations, checkTopologySpread } from './validate-scheduling.ts';
import { checkPodSecurity } from './validate-security-context.ts';
import { checkVolumes } from './validate-volumes.ts';

const MAX_INT32 = 2147483647;

/** `isPod` is false for templates, from which a pod is yet to be made. */
export function checkPodSpec(errors: FieldError[], path: FieldPath, spec: PodSpec, isPod: boolean): void {
  const facts: PodFacts = {
    volumes: new Map((spec.volumes ?? []).map(volume => [volume.name, volume])),
    claims: new Set((spec.resourceClaims ?? []).map(claim => claim.name)),
    gracePeriodSeconds: spec.terminationGracePeriodSeconds ?? 30,
    hostUsers: spec.hostUsers !== false,
    podRestartPolicy: spec.restartPolicy ?? 'Always',
  };
  checkVolumes(errors, path.child('volumes'), spec.volumes);
  checkClaims(errors, path.child('resourceClaims'), spec);
  checkContainers(errors, path.child('containers'), spec.containers ?? [], facts);
  if (spec.initContainers !== undefined) {
    checkInitContainers(errors, path.child('initContainers'), spec.initContainers, spec.containers ?? [], facts);
  }
  if (spec.ephemeralContainers !== undefined) {
    checkEphemeralContainers(errors, path.child('ephemeralContainers'), spec, facts);
  }
  if (spec.hostNetwork === true) {
    checkHostNetworkPorts(errors, path.child('containers'), spec.containers ?? [], isPod);
  }
  checkEnum(errors, path.child('restartPolicy'), spec.restartPolicy, ['Always', 'Never', 'OnFailure']);
  checkDns(errors, path, spec);
  errors.push(...validateLabels(spec.nodeSelector, path.child('nodeSelector')));
  checkPodSecurity(errors, path, spec);
  checkReferences(errors, path, spec);
  checkAffinity(errors, path.child('affinity'), spec.affinity);
  checkTolerations(errors, path.child('tolerations'), spec.tolerations);
  checkTopologySpread(errors, path.child('topologySpreadConstraints'), spec.topologySpreadConstraints);
  checkSchedulingGates(errors, path.child('schedulingGates'), spec.schedulingGates);
  if (isPod && !isBlank(spec.nodeName) && (spec.schedulingGates ?? []).length > 0) {
    errors.push(forbiddenError(path.child('nodeName'), 'cannot be set until all schedulingGates have been cleared'));
  }
  checkTimes(errors, path, spec);
  checkAmounts(errors, path, spec);
}

function checkTimes(errors: FieldError[], path: FieldPath, spec: PodSpec): void {
  const deadline = spec.activeDeadlineSeconds;
  if (deadline !== undefined && (deadline < 1 || deadline > MAX_INT32)) {
    errors.push(
      invalidError(path.child('activeDeadlineSeconds'), deadline, `must be between 1 and ${MAX_INT32}, inclusive`),
    );
  }
  checkNonNegative(errors, path.child('terminationGracePeriodSeconds'), spec.terminationGracePeriodSeconds);
}

/** Names of other objects and of parts of the system. */
function checkReferences(errors: FieldError[], path: FieldPath, spec: PodSpec): void {
  checkOptional(errors, path.child('serviceAccountName'), spec.serviceAccountName, dns1123Subdomain);
  checkOptional(errors, path.child('nodeName'), spec.nodeName, dns1123Subdomain);
  checkRequired(errors, path.child('schedulerName'), spec.schedulerName, qualifiedName);
  checkOptional(errors, path.child('priorityClassName'), spec.priorityClassName, dns1123Subdomain);
  checkOptional(errors, path.child('runtimeClassName'), spec.runtimeClassName, dns1123Subdomain);
  checkEnum(
    errors,
    path.child('preemptionPolicy'),
    spec.preemptionPolicy,
    ['Never', 'PreemptLowerPriority'],
    'allowed',
  );
  for (const [i, gate] of (spec.readinessGates ?? []).entries()) {
    checkShape(
      errors,
      path.child('readinessGates').index(i).child('conditionType'),
      gate.conditionType ?? '',
      qualifiedName,
    );
  }
  if (spec.os !== undefined) checkEnum(errors, path.child('os', 'name'), spec.os.name, ['linux', 'windows']);
}

function checkClaims(errors: FieldError[], path: FieldPath, spec: PodSpec): void {
  const names = new Set<string>();
  for (const [i, claim] of (spec.resourceClaims ?? []).entries()) {
    const at = path.index(i);
    checkRequired(errors, at.child('name'), claim.name, dns1123Label);
    if (names.has(claim.name)) errors.push(duplicateError(at.child('name'), claim.name));
    names.add(claim.name);
    const { resourceClaimName: claimName, resourceClaimTemplateName: templateName } = claim;
    if (claimName !== undefined && templateName !== undefined) {
      const why = 'at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified';
      errors.push(invalidError(at, claim, why));
    } else if (claimName === undefined && templateName === undefined) {
      errors.push(requiredError(at, 'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`'));
    }
    if (claimName !== undefined) checkShape(errors, at.child('resourceClaimName'), claimName, dns1123Subdomain);
    if (templateName !== undefined)
      checkShape(errors, at.child('resourceClaimTemplateName'), templateName, dns1123Subdomain);
  }
}

function checkAmounts(errors: FieldError[], path: FieldPath, spec: PodSpec): void {
  for (const [name, text] of Object.entries(spec.overhead ?? {})) {
    const at = path.child('overhead').key(name);
    checkResourceName(errors, at, name);
    checkResourceAmount(errors, at, name, text);
  }
  if (spec.resources === undefined) return;
  const at = path.child('resources');
  checkLimitsAndRequests(errors, at, spec.resources);
  for (const list of ['limits', 'requests'] as const) {
    for (const name of Object.keys(spec.resources[list] ?? {})) {
      if (name === 'cpu' || name === 'memory' || name.startsWith('hugepages-')) continue;
      errors.push(invalidError(at.child(list).key(name), name, 'must be one of: cpu, memory or a hugepages resource'));
    }
  }
}
