/**
 * Validation of a pod spec, in pods and in templates. Each topic stands in a file of its own beside this one; they come in
 * upstream's order, so that several errors are told in the same order.
 * Source: Kubernetes `pkg/apis/core/validation` (ValidatePodSpec), 1.36.
 */
import {
  duplicateError,
  invalidError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../meta/field-error.ts';
import type { FieldPath } from '../meta/field-path.ts';
import { dns1123Label, dns1123Subdomain, qualifiedName } from '../meta/names.ts';
import { validateLabels } from '../meta/object-meta-validation.ts';
import { inRange } from '../meta/value-shapes.ts';
import type { ObjectMeta } from '../../proto/api/meta-v1.ts';
import type { PodSpec } from '../../proto/api/core-v1.ts';
import { checkEnum, checkOptional, checkShape, isBlank } from '../validation/checks.ts';
import { checkAffinity } from './validate-affinity.ts';
import type { PodFacts } from './pod-facts.ts';
import { checkContainers, checkInitContainers } from './validate-containers.ts';
import { checkDnsConfig, checkHostAliases, checkHostnameOverride, DNS_POLICIES } from './validate-dns.ts';
import { checkEphemeralContainers } from './validate-ephemeral.ts';
import { checkPodOs } from './validate-os.ts';
import { checkHostNetworkPorts } from './validate-ports.ts';
import { checkPodResources } from './validate-pod-resources.ts';
import { checkContainerAmounts } from './validate-resources.ts';
import { checkSchedulingGates, checkTolerations, checkTopologySpread } from './validate-scheduling.ts';
import { checkHostUsers, checkPodSecurity } from './validate-security-context.ts';
import { checkVolumes } from './validate-volumes.ts';
import { checkHostProcess } from './validate-windows.ts';

const MAX_INT32 = 2147483647;

/** @param meta of the pod; undefined for templates, from which a pod is yet to be made */
export function checkPodSpec(errors: FieldError[], path: FieldPath, spec: PodSpec, meta: ObjectMeta | undefined): void {
  const isPod = meta !== undefined;
  const volumes = checkVolumes(errors, path.child('volumes'), spec.volumes, meta);
  const facts: PodFacts = {
    volumes,
    claims: new Set((spec.resourceClaims ?? []).map(claim => claim.name).filter(name => !isBlank(name))),
    gracePeriodSeconds: spec.terminationGracePeriodSeconds ?? 30,
    hostUsers: spec.hostUsers !== false,
    podRestartPolicy: spec.restartPolicy ?? 'Always',
    os: spec.os?.name,
  };
  checkClaims(errors, path.child('resourceClaims'), spec);
  checkContainers(errors, path.child('containers'), spec.containers ?? [], facts);
  checkInitContainers(errors, path.child('initContainers'), spec.initContainers ?? [], spec.containers ?? [], facts);
  checkEphemeralContainers(errors, path.child('ephemeralContainers'), spec, facts);
  checkPodResources(errors, path.child('resources'), spec);
  if (spec.hostNetwork === true) checkHostNetworkPorts(errors, path.child('containers'), spec.containers ?? [], isPod);
  checkEnum(errors, path.child('restartPolicy'), spec.restartPolicy, ['Always', 'OnFailure', 'Never']);
  checkEnum(errors, path.child('dnsPolicy'), spec.dnsPolicy, DNS_POLICIES);
  errors.push(...validateLabels(spec.nodeSelector, path.child('nodeSelector')));
  checkPodSecurity(errors, path, spec);
  checkAffinity(errors, path.child('affinity'), spec.affinity);
  checkDnsConfig(errors, path.child('dnsConfig'), spec);
  for (const [i, { conditionType }] of (spec.readinessGates ?? []).entries())
    checkShape(
      errors,
      path.child('readinessGates').index(i).child('conditionType'),
      conditionType ?? '',
      qualifiedName,
    );
  checkSchedulingGates(errors, path.child('schedulingGates'), spec.schedulingGates);
  checkTopologySpread(errors, path.child('topologySpreadConstraints'), spec.topologySpreadConstraints);
  checkHostProcess(errors, path, spec);
  checkHostUsers(errors, path, spec);
  checkOptional(errors, path.child('serviceAccountName'), spec.serviceAccountName, dns1123Subdomain);
  checkOptional(errors, path.child('nodeName'), spec.nodeName, dns1123Subdomain);
  if (spec.activeDeadlineSeconds !== undefined)
    checkShape(errors, path.child('activeDeadlineSeconds'), spec.activeDeadlineSeconds, n => inRange(n, 1, MAX_INT32));
  checkOptional(errors, path.child('hostname'), spec.hostname, dns1123Label);
  checkOptional(errors, path.child('subdomain'), spec.subdomain, dns1123Label);
  checkHostnameOverride(errors, path, spec);
  checkTolerations(errors, path.child('tolerations'), spec.tolerations);
  checkHostAliases(errors, path.child('hostAliases'), spec.hostAliases);
  checkOptional(errors, path.child('priorityClassName'), spec.priorityClassName, dns1123Subdomain);
  if (spec.runtimeClassName !== undefined)
    checkShape(errors, path.child('runtimeClassName'), spec.runtimeClassName, dns1123Subdomain);
  if (spec.preemptionPolicy !== undefined)
    checkEnum(errors, path.child('preemptionPolicy'), spec.preemptionPolicy, ['PreemptLowerPriority', 'Never']);
  if (spec.overhead !== undefined) checkContainerAmounts(errors, path.child('overhead'), { limits: spec.overhead });
  const group = spec.schedulingGroup?.podGroupName;
  if (group !== undefined) checkShape(errors, path.child('schedulingGroup', 'podGroupName'), group, dns1123Subdomain);
  checkOs(errors, path, spec);
}

function checkOs(errors: FieldError[], path: FieldPath, spec: PodSpec): void {
  if (spec.os === undefined) return;
  const { name } = spec.os;
  if (isBlank(name)) errors.push(requiredError(path.child('os', 'name'), 'cannot be empty'));
  else if (name === 'linux') checkPodOs(errors, path, spec, 'linux');
  else if (name === 'windows') checkPodOs(errors, path, spec, 'windows');
  else errors.push(notSupportedError(path.child('os'), name, ['linux', 'windows']));
}

function checkClaims(errors: FieldError[], path: FieldPath, spec: PodSpec): void {
  const names = new Set<string>();
  for (const [i, claim] of (spec.resourceClaims ?? []).entries()) {
    const at = path.index(i);
    const { name, resourceClaimName: claimName, resourceClaimTemplateName: templateName } = claim;
    if (isBlank(name)) errors.push(requiredError(at.child('name')));
    else if (names.has(name)) errors.push(duplicateError(at.child('name'), name));
    else checkShape(errors, at.child('name'), name, dns1123Label);
    names.add(name);
    const shown = {
      Name: name ?? '',
      ResourceClaimName: claimName ?? null,
      ResourceClaimTemplateName: templateName ?? null,
    };
    if (claimName !== undefined && templateName !== undefined) {
      const why = 'at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified';
      errors.push(invalidError(at, shown, why));
    }
    if (claimName === undefined && templateName === undefined)
      errors.push(invalidError(at, shown, 'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`'));
    if (claimName !== undefined) checkShape(errors, at.child('resourceClaimName'), claimName, dns1123Subdomain);
    if (templateName !== undefined)
      checkShape(errors, at.child('resourceClaimTemplateName'), templateName, dns1123Subdomain);
  }
}
