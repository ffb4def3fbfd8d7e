/**
 * What a pod's status may say, and what of it may not change. Source: Kubernetes `pkg/apis/core/validation`
 * (ValidatePodStatusUpdate), 1.36.
 */
import {
  duplicateError,
  forbiddenError,
  invalidError,
  notSupportedError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { dns1123Subdomain, qualifiedName } from '../../../../machinery/meta/names.ts';
import { ipAddress, unixId } from '../../../../machinery/meta/value-shapes.ts';
import type { Container, ContainerStatus, Pod, PodStatus } from '../../../../proto/api/core-v1.ts';
import { checkImmutable, checkShape } from '../../../../machinery/validation/checks.ts';
import { checkAnnotationChange } from '../../../../machinery/pods/validate-pod-annotations.ts';

const STATUS = FieldPath.of('status');
const SYSTEM_CONDITIONS = ['PodScheduled', 'Ready', 'Initialized'];
const HEALTHS = ['Healthy', 'Unhealthy', 'Unknown'];

export function validatePodStatus(pod: Pod, older: Pod): FieldError[] {
  const errors: FieldError[] = [];
  const status: PodStatus = pod.status ?? {};
  const was: PodStatus = older.status ?? {};
  checkAnnotationChange(errors, pod, older);
  for (const [i, { type }] of (status.conditions ?? []).entries()) {
    if (SYSTEM_CONDITIONS.includes(type)) continue;
    checkShape(errors, FieldPath.of('metadata', 'conditions').index(i).child('Type'), type ?? '', qualifiedName);
  }
  const nominated = status.nominatedNodeName ?? '';
  if (nominated !== '' && nominated !== was.nominatedNodeName)
    checkShape(errors, STATUS.child('nominatedNodeName'), nominated, dns1123Subdomain);
  checkImmutable(errors, STATUS.child('qosClass'), status.qosClass ?? '', was.qosClass ?? '');
  const { restartPolicy = 'Always', containers, initContainers = [] } = older.spec;
  const restartsAll = [...initContainers, ...containers].some(({ restartPolicyRules = [] }) =>
    restartPolicyRules.some(({ action }) => action === 'RestartAllContainers'),
  );
  checkTransitions(errors, 'containerStatuses', status, was, restartPolicy, containers, restartsAll);
  checkTransitions(errors, 'initContainerStatuses', status, was, restartPolicy, initContainers, restartsAll);
  checkTransitions(errors, 'ephemeralContainerStatuses', status, was, 'Never', undefined);
  checkClaims(errors, pod, status);
  checkPodIPs(errors, status);
  checkHostIPs(errors, status);
  for (const list of LISTS) checkUsers(errors, STATUS.child(list), status[list], pod.spec.os?.name);
  checkAllocated(errors, STATUS.child('containerStatuses'), status.containerStatuses, pod.spec.containers);
  checkAllocated(errors, STATUS.child('initContainerStatuses'), status.initContainerStatuses, pod.spec.initContainers);
  for (const [i, container] of (status.ephemeralContainerStatuses ?? []).entries()) {
    if ((container.allocatedResourcesStatus ?? []).length === 0) continue;
    const at = STATUS.child('ephemeralContainerStatuses').index(i).child('allocatedResourcesStatus');
    errors.push(forbiddenError(at, 'must not be specified in container status'));
  }
  return errors;
}

const LISTS = ['containerStatuses', 'initContainerStatuses', 'ephemeralContainerStatuses'] as const;

/** What has ended and is not started again by its policy stays ended. */
function checkTransitions(
  errors: FieldError[],
  list: (typeof LISTS)[number],
  status: PodStatus,
  was: PodStatus,
  podPolicy: string,
  containers: readonly Container[] | undefined,
  restartsAll = false,
): void {
  // A rule of any container may bring back those of the other list too.
  if (restartsAll) return;
  for (const [i, before] of (was[list] ?? []).entries()) {
    const ended = before.state?.terminated;
    if (ended === undefined) continue;
    const container = containers?.find(({ name }) => name === before.name);
    const policy = container?.restartPolicy ?? podPolicy;
    if (policy === 'Always' || (policy === 'OnFailure' && ended.exitCode !== 0)) continue;
    // Rules restart what the policy would not, each container or all of them.
    if ((containers ?? []).some(({ restartPolicyRules }) => (restartPolicyRules ?? []).length > 0)) continue;
    const now = status[list]?.find(({ name }) => name === before.name);
    if (now === undefined || now.state?.terminated !== undefined) continue;
    const at = STATUS.child(list).index(i).child('state');
    errors.push(forbiddenError(at, 'may not be transitioned to non-terminated state'));
  }
}

function checkClaims(errors: FieldError[], pod: Pod, status: PodStatus): void {
  const names = new Set<string>();
  for (const [i, claim] of (status.resourceClaimStatuses ?? []).entries()) {
    const at = STATUS.child('resourceClaimStatuses').index(i).child('name');
    if (pod.spec.resourceClaims?.some(({ name }) => name === claim.name) !== true)
      errors.push(invalidError(at, claim.name, 'must match the name of an entry in `spec.resourceClaims`'));
    if (names.has(claim.name)) errors.push(duplicateError(at, claim.name));
    names.add(claim.name);
    if (claim.resourceClaimName !== undefined) checkShape(errors, at, claim.resourceClaimName, dns1123Subdomain);
  }
}

function checkPodIPs(errors: FieldError[], { podIPs = [] }: PodStatus): void {
  const at = STATUS.child('podIPs');
  for (const [i, { ip }] of podIPs.entries()) checkShape(errors, at.index(i), ip ?? '', ipAddress);
  if (podIPs.length < 2) return;
  if (!isDualStack(podIPs)) errors.push(invalidError(at, podIPs, 'may specify no more than one IP for each IP family'));
  checkTwice(errors, at, podIPs);
}

function checkHostIPs(errors: FieldError[], { hostIP = '', hostIPs = [] }: PodStatus): void {
  if (hostIPs.length === 0) return;
  const at = STATUS.child('hostIPs');
  if (hostIPs[0]?.ip !== hostIP)
    errors.push(invalidError(at.index(0).child('ip'), hostIPs[0]?.ip ?? '', 'must be equal to `hostIP`'));
  for (const [i, { ip }] of hostIPs.entries()) checkShape(errors, at.index(i), ip ?? '', ipAddress);
  if (hostIPs.length < 2) return;
  checkTwice(errors, at, hostIPs);
  if (!isDualStack(hostIPs))
    errors.push(invalidError(at, hostIPs, 'may specify no more than one IP for each IP family'));
}

function isDualStack(ips: readonly { ip?: string | undefined }[]): boolean {
  return ips.length === 2 && new Set(ips.map(({ ip = '' }) => ip.includes(':'))).size === 2;
}

function checkTwice(errors: FieldError[], path: FieldPath, ips: readonly { ip?: string | undefined }[]): void {
  for (const [i, { ip }] of ips.entries())
    if (ips.findIndex(other => other.ip === ip) < i) errors.push(duplicateError(path.index(i), { IP: ip }));
}

function checkUsers(
  errors: FieldError[],
  path: FieldPath,
  containers: readonly ContainerStatus[] | undefined,
  os = 'linux',
): void {
  for (const [i, { user }] of (containers ?? []).entries()) {
    if (user?.linux === undefined) continue;
    const at = path.index(i).child('linux');
    if (os === 'windows') errors.push(forbiddenError(at, 'cannot be set for a windows pod'));
    else {
      checkShape(errors, at.child('uid'), user.linux.uid, unixId);
      checkShape(errors, at.child('gid'), user.linux.gid, unixId);
      for (const [g, group] of (user.linux.supplementalGroups ?? []).entries())
        checkShape(errors, at.child('supplementalGroups').index(g), group, unixId);
    }
  }
}

function checkAllocated(
  errors: FieldError[],
  path: FieldPath,
  statuses: readonly ContainerStatus[] | undefined,
  containers: readonly Container[] | undefined,
): void {
  for (const [i, status] of (statuses ?? []).entries()) {
    const container = containers?.find(({ name }) => name === status.name);
    for (const [j, allocated] of (status.allocatedResourcesStatus ?? []).entries()) {
      const at = path.index(i).child('allocatedResourcesStatus').index(j);
      const why = container === undefined ? undefined : unmatched(container, allocated.name);
      if (why !== undefined) errors.push(invalidError(at.child('name'), allocated.name, why));
      const ids = new Set<string>();
      for (const [k, { resourceID, health = '' }] of (allocated.resources ?? []).entries()) {
        const where = at.child('resources').index(k);
        if (!HEALTHS.includes(health)) errors.push(notSupportedError(where.child('health'), health, HEALTHS));
        if (ids.has(resourceID)) errors.push(duplicateError(where.child('resourceID'), resourceID));
        ids.add(resourceID);
      }
    }
  }
}

/** Why a container asked for no such resource; undefined when it did. */
function unmatched({ resources }: Container, name: string): string | undefined {
  if (!name.startsWith('claim:'))
    return resources?.requests?.[name] === undefined
      ? "must match one of the container's resource requests"
      : undefined;
  const claims = (resources?.claims ?? []).map(c => (c.request ? `claim:${c.name}/${c.request}` : `claim:${c.name}`));
  return claims.includes(name)
    ? undefined
    : "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' or 'claim:<claimName>' if request is empty";
}
