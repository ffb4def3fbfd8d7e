/**
 * Validation of probes and lifecycle hooks. Source: Kubernetes `pkg/apis/core/validation`, 1.36.
 */
import {
  forbiddenError,
  invalidError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../meta/field-error.ts';
import type { FieldPath } from '../meta/field-path.ts';
import { httpHeaderName, portName, portNumber } from '../meta/value-shapes.ts';
import type { Container, Lifecycle, LifecycleHandler, Probe, ProbeHandler } from '../../proto/api/core-v1.ts';
import { apiTable } from '../../proto/api/schema.ts';
import { checkNonNegative, checkPositive, checkRequired, checkShape, isBlank } from '../validation/checks.ts';
import type { PodFacts } from './pod-facts.ts';

/** Those that the schema names, sorted. */
const SIGNALS: readonly string[] = [...(apiTable['api/core/v1']?.['Signal']?.enum ?? [])].sort();
const WINDOWS_SIGNALS = ['SIGKILL', 'SIGTERM'];

type Handler = ProbeHandler & LifecycleHandler;
const HANDLERS = ['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep'] as const;

/** All three probes and both hooks of a container. */
export function checkProbesAndHooks(
  errors: FieldError[],
  path: FieldPath,
  container: Container,
  { gracePeriodSeconds, os }: Pick<PodFacts, 'gracePeriodSeconds' | 'os'>,
): void {
  if (container.lifecycle !== undefined) {
    checkLifecycle(errors, path.child('lifecycle'), container.lifecycle, gracePeriodSeconds);
    checkStopSignal(errors, path.child('lifecycle', 'stopSignal'), container.lifecycle.stopSignal, os);
  }
  checkLiveness(errors, path.child('livenessProbe'), container.livenessProbe, gracePeriodSeconds);
  const readiness = container.readinessProbe;
  if (readiness !== undefined) {
    checkProbe(errors, path.child('readinessProbe'), readiness, gracePeriodSeconds);
    if (readiness.terminationGracePeriodSeconds !== undefined) {
      const at = path.child('readinessProbe', 'terminationGracePeriodSeconds');
      errors.push(invalidError(at, readiness.terminationGracePeriodSeconds, 'must not be set for readinessProbes'));
    }
  }
  checkLiveness(errors, path.child('startupProbe'), container.startupProbe, gracePeriodSeconds);
}

/** Signals are the operating system's, so the pod must say which it is for. */
function checkStopSignal(
  errors: FieldError[],
  path: FieldPath,
  signal: string | undefined,
  os: string | undefined,
): void {
  if (signal === undefined) return;
  if (isBlank(os)) errors.push(forbiddenError(path, 'may not be set for containers with empty `spec.os.name`'));
  else {
    const known = os === 'windows' ? WINDOWS_SIGNALS : SIGNALS;
    if (!known.includes(signal)) errors.push(notSupportedError(path, signal, known));
  }
}

function checkLiveness(
  errors: FieldError[],
  path: FieldPath,
  probe: Probe | undefined,
  gracePeriodSeconds: number,
): void {
  if (probe === undefined) return;
  checkProbe(errors, path, probe, gracePeriodSeconds);
  if (probe.successThreshold !== undefined && probe.successThreshold !== 1) {
    errors.push(invalidError(path.child('successThreshold'), probe.successThreshold, 'must be 1'));
  }
}

function checkProbe(errors: FieldError[], path: FieldPath, probe: Probe, gracePeriodSeconds: number): void {
  checkHandler(errors, path, probe, gracePeriodSeconds);
  checkNonNegative(errors, path.child('initialDelaySeconds'), probe.initialDelaySeconds);
  checkNonNegative(errors, path.child('timeoutSeconds'), probe.timeoutSeconds);
  checkNonNegative(errors, path.child('periodSeconds'), probe.periodSeconds);
  checkNonNegative(errors, path.child('successThreshold'), probe.successThreshold);
  checkNonNegative(errors, path.child('failureThreshold'), probe.failureThreshold);
  checkPositive(errors, path.child('terminationGracePeriodSeconds'), probe.terminationGracePeriodSeconds);
}

function checkLifecycle(errors: FieldError[], path: FieldPath, lifecycle: Lifecycle, gracePeriodSeconds: number): void {
  if (lifecycle.postStart !== undefined) {
    checkHandler(errors, path.child('postStart'), lifecycle.postStart, gracePeriodSeconds);
  }
  if (lifecycle.preStop !== undefined) {
    checkHandler(errors, path.child('preStop'), lifecycle.preStop, gracePeriodSeconds);
  }
}

function checkHandler(errors: FieldError[], path: FieldPath, handler: Handler, gracePeriodSeconds: number): void {
  let seen = false;
  for (const name of HANDLERS) {
    if (handler[name] === undefined) continue;
    if (seen) errors.push(forbiddenError(path.child(name), 'may not specify more than 1 handler type'));
    else checkAction(errors, path.child(name), name, handler, gracePeriodSeconds);
    seen = true;
  }
  if (!seen) errors.push(requiredError(path, 'must specify a handler type'));
}

function checkAction(
  errors: FieldError[],
  path: FieldPath,
  name: (typeof HANDLERS)[number],
  { exec, httpGet, tcpSocket, grpc, sleep }: Handler,
  gracePeriodSeconds: number,
): void {
  switch (name) {
    case 'exec':
      if ((exec?.command ?? []).length === 0) errors.push(requiredError(path.child('command')));
      return;
    case 'httpGet':
      checkRequired(errors, path.child('path'), httpGet?.path);
      checkPort(errors, path.child('port'), httpGet?.port);
      if (httpGet?.scheme !== 'HTTP' && httpGet?.scheme !== 'HTTPS') {
        errors.push(notSupportedError(path.child('scheme'), httpGet?.scheme ?? '', ['HTTP', 'HTTPS']));
      }
      for (const header of httpGet?.httpHeaders ?? []) {
        checkShape(errors, path.child('httpHeaders'), header.name ?? '', httpHeaderName);
      }
      return;
    case 'tcpSocket':
      checkPort(errors, path.child('port'), tcpSocket?.port);
      return;
    case 'grpc':
      checkPort(errors, path.child('port'), grpc?.port);
      return;
    case 'sleep': {
      const seconds = sleep?.seconds ?? 0;
      if (seconds >= 0 && seconds <= gracePeriodSeconds) return;
      const why = `must be non-negative and less than terminationGracePeriodSeconds (${gracePeriodSeconds})`;
      errors.push(invalidError(path, seconds, why));
      return;
    }
  }
}

function checkPort(errors: FieldError[], path: FieldPath, port: string | number | undefined): void {
  if (typeof port === 'string') checkShape(errors, path, port, portName);
  else checkShape(errors, path, port ?? 0, portNumber);
}
