/**
 * Validation of the containers of a pod, init containers included. Source: Kubernetes `pkg/apis/core/validation`, 1.36.
 */
import {
  duplicateError,
  forbiddenError,
  invalidError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { dns1123Label } from '../../../../machinery/meta/names.ts';
import type { Container, EphemeralContainer } from '../../../../proto/api/core-v1.ts';
import { checkEnum, isBlank, checkRequired } from '../validation/checks.ts';
import { checkEnv, checkEnvFrom } from './validate-env.ts';
import { checkHostPortConflicts, checkPorts } from './validate-ports.ts';
import { checkProbesAndHooks } from './validate-probes.ts';
import { checkResizePolicy, checkResources } from './validate-resources.ts';
import { checkContainerSecurity } from './validate-security-context.ts';
import { checkVolumeDevices, checkVolumeMounts, type Volumes } from './validate-volume-mounts.ts';

/** What containers must know of their pod. */
export interface PodFacts {
  readonly volumes: Volumes;
  readonly claims: ReadonlySet<string>;
  readonly gracePeriodSeconds: number;
  readonly hostUsers: boolean;
  readonly podRestartPolicy: string;
}

const PULL_POLICIES = ['Always', 'IfNotPresent', 'Never'];
const MESSAGE_POLICIES = ['FallbackToLogsOnError', 'File'];
const RESTART_POLICIES = ['Always', 'Never', 'OnFailure'];

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
    if (!isBlank(container.name)) names.add(container.name);
    checkProbesAndHooks(errors, at, container, facts.gracePeriodSeconds);
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
    if (names.has(container.name)) errors.push(duplicateError(at.child('name'), container.name));
    if (!isBlank(container.name)) names.add(container.name);
    if (container.restartPolicy === 'Always') checkProbesAndHooks(errors, at, container, facts.gracePeriodSeconds);
    else checkNoProbes(errors, at, container);
    checkRestart(errors, at, container);
    checkHostPortConflicts(errors, path, containers.slice(i, i + 1));
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
  const image = container.image ?? '';
  if (image === '') errors.push(requiredError(path.child('image')));
  else if (image.trim() !== image) {
    errors.push(invalidError(path.child('image'), image, 'must not have leading or trailing whitespace'));
  }
  checkEnum(errors, path.child('terminationMessagePolicy'), container.terminationMessagePolicy, MESSAGE_POLICIES);
  checkEnum(errors, path.child('imagePullPolicy'), container.imagePullPolicy, PULL_POLICIES);
  checkPorts(errors, path.child('ports'), container.ports);
  checkEnv(errors, path.child('env'), container.env);
  checkEnvFrom(errors, path.child('envFrom'), container.envFrom);
  checkVolumeMounts(errors, path.child('volumeMounts'), container, facts.volumes);
  checkVolumeDevices(errors, path.child('volumeDevices'), container, facts.volumes);
  checkResources(errors, path.child('resources'), container.resources, facts.claims);
  checkResizePolicy(errors, path.child('resizePolicy'), container.resizePolicy);
  checkContainerSecurity(errors, path.child('securityContext'), container.securityContext, facts.hostUsers);
}

function checkRestart(errors: FieldError[], path: FieldPath, container: Container): void {
  checkEnum(errors, path.child('restartPolicy'), container.restartPolicy, RESTART_POLICIES, 'allowed');
  const rules = container.restartPolicyRules ?? [];
  const at = path.child('restartPolicyRules');
  if (rules.length > 20) errors.push(invalidError(at, rules.length, 'must have at most 20 rules'));
  if (rules.length > 0 && container.restartPolicy === undefined) {
    errors.push(requiredError(path.child('restartPolicy'), 'must specify restartPolicy when restart rules are used'));
  }
  for (const [i, rule] of rules.entries()) {
    checkEnum(errors, at.index(i).child('action'), rule.action, ['Restart', 'RestartAllContainers']);
    if (rule.exitCodes === undefined) errors.push(requiredError(at.index(i).child('exitCodes'), 'must be specified'));
    else checkEnum(errors, at.index(i).child('exitCodes', 'operator'), rule.exitCodes.operator, ['In', 'NotIn']);
  }
}

function checkNoProbes(errors: FieldError[], path: FieldPath, container: Container): void {
  for (const field of ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
    if (container[field] === undefined) continue;
    errors.push(forbiddenError(path.child(field), 'may not be set for init containers without restartPolicy=Always'));
  }
}
