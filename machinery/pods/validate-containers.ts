/**
 * Validation of the containers of a pod, init containers included. Source: Kubernetes `pkg/apis/core/validation`, 1.36.
 */
import { duplicateError, forbiddenError, requiredError, type FieldError } from '../meta/field-error.ts';
import type { FieldPath } from '../meta/field-path.ts';
import { dns1123Label } from '../meta/names.ts';
import type { Container, EphemeralContainer } from '../../proto/api/core-v1.ts';
import { checkEnum, checkRequired, isBlank } from '../validation/checks.ts';
import type { PodFacts } from './pod-facts.ts';
import { checkEnv, checkEnvFrom } from './validate-env.ts';
import { checkHostPortConflicts, checkPorts } from './validate-ports.ts';
import { checkProbesAndHooks } from './validate-probes.ts';
import { checkResizePolicy, checkResources } from './validate-resources.ts';
import { checkRestart } from './validate-restart.ts';
import { checkContainerSecurity } from './validate-security-context.ts';
import { checkVolumeDevices, checkVolumeMounts } from './validate-volume-mounts.ts';

export const PULL_POLICIES = ['Always', 'IfNotPresent', 'Never'];
const MESSAGE_POLICIES = ['File', 'FallbackToLogsOnError'];

export function checkContainers(
  errors: FieldError[],
  path: FieldPath,
  containers: readonly Container[],
  facts: PodFacts,
): void {
  if (containers.length === 0) {
    errors.push(requiredError(path));
    return;
  }
  const names = new Set<string>();
  for (const [i, container] of containers.entries()) {
    const at = path.index(i);
    checkCommon(errors, at, container, facts);
    if (names.has(container.name)) errors.push(duplicateError(at.child('name'), container.name));
    names.add(container.name);
    checkProbesAndHooks(errors, at, container, facts);
    checkRestart(errors, at, container);
  }
  checkHostPortConflicts(errors, path, containers);
}

/** Names are unique among init and regular containers together. */
export function checkInitContainers(
  errors: FieldError[],
  path: FieldPath,
  containers: readonly Container[],
  regular: readonly Container[],
  facts: PodFacts,
): void {
  const names = new Set(regular.map(container => container.name));
  for (const [i, container] of containers.entries()) {
    const at = path.index(i);
    checkCommon(errors, at, container, facts);
    checkRestart(errors, at, container);
    if (names.has(container.name)) errors.push(duplicateError(at.child('name'), container.name));
    else if (!isBlank(container.name)) names.add(container.name);
    // They run one after the other, so each may take the same port; the index is upstream's.
    checkHostPortConflicts(errors, path, [container]);
    if (container.restartPolicy === 'Always') checkProbesAndHooks(errors, at, container, facts);
    else checkNoProbes(errors, at, container);
  }
}

/** The rules that all three kinds of container share. */
export function checkCommon(
  errors: FieldError[],
  path: FieldPath,
  container: Container | EphemeralContainer,
  facts: PodFacts,
): void {
  checkRequired(errors, path.child('name'), container.name, dns1123Label);
  if (isBlank(container.image)) errors.push(requiredError(path.child('image')));
  checkEnum(errors, path.child('terminationMessagePolicy'), container.terminationMessagePolicy, MESSAGE_POLICIES);
  checkPorts(errors, path.child('ports'), container.ports);
  checkEnv(errors, path.child('env'), container.env, facts.volumes);
  checkEnvFrom(errors, path.child('envFrom'), container.envFrom);
  checkVolumeMounts(errors, path.child('volumeMounts'), container, facts.volumes);
  checkVolumeDevices(errors, path.child('volumeDevices'), container, facts.volumes);
  checkEnum(errors, path.child('imagePullPolicy'), container.imagePullPolicy, PULL_POLICIES);
  checkResources(errors, path.child('resources'), container.resources, facts.claims);
  checkResizePolicy(errors, path.child('resizePolicy'), container.resizePolicy, facts.podRestartPolicy);
  checkContainerSecurity(errors, path.child('securityContext'), container.securityContext, facts.hostUsers);
}

function checkNoProbes(errors: FieldError[], path: FieldPath, container: Container): void {
  for (const field of ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
    if (container[field] === undefined) continue;
    errors.push(forbiddenError(path.child(field), 'may not be set for init containers without restartPolicy=Always'));
  }
}
