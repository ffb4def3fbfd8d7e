/**
 * What a pod spec says where its author said nothing. Idempotent.
 * Source: Kubernetes `pkg/apis/core/v1/defaults.go`, 1.36.
 */
import type { Container, EphemeralContainer, PodSpec } from '../../proto/api/core-v1.ts';
import { containerRequests } from './container-requests.ts';
import { defaultContainer } from './default-container.ts';
import { defaultVolumes } from './default-volumes.ts';

/** The spec of a pod or of a template. */
export function defaultPodSpec(spec: PodSpec): void {
  spec.restartPolicy ||= 'Always';
  spec.terminationGracePeriodSeconds ??= 30;
  spec.dnsPolicy ||= 'ClusterFirst';
  spec.securityContext ??= {};
  spec.schedulerName ||= 'default-scheduler';
  defaultServiceAccount(spec);
  for (const container of containersOf(spec)) defaultContainer(container);
  defaultVolumes(spec.volumes);
}

/** What pods alone get, and templates not. */
export function defaultPodOnly(spec: PodSpec): void {
  spec.enableServiceLinks ??= true;
  if (spec.hostNetwork === true) for (const container of containersOf(spec)) defaultHostPorts(container);
  for (const container of spec.containers ?? []) defaultRequests(container);
  for (const container of spec.initContainers ?? []) defaultRequests(container);
  defaultWhole(spec);
}

/** Where a pod says something of itself as a whole, it says it of everything that its containers ask for. */
function defaultWhole(spec: PodSpec): void {
  const whole = spec.resources;
  if (Object.keys(whole?.requests ?? {}).length === 0 && Object.keys(whole?.limits ?? {}).length === 0) return;
  const requests: Record<string, string> = { ...whole?.requests };
  for (const [name, amount] of containerRequests(spec)) if (isPodLevel(name)) requests[name] ??= amount.toString();
  for (const [name, amount] of Object.entries(whole?.limits ?? {})) if (isPodLevel(name)) requests[name] ??= amount;
  spec.resources = { ...whole, ...(Object.keys(requests).length > 0 ? { requests } : {}) };
}

function isPodLevel(name: string): boolean {
  return name === 'cpu' || name === 'memory' || name.startsWith('hugepages-');
}

function* containersOf(spec: PodSpec): Generator<Container | EphemeralContainer> {
  if (spec.initContainers !== undefined) yield* spec.initContainers;
  if (spec.containers !== undefined) yield* spec.containers;
  if (spec.ephemeralContainers !== undefined) yield* spec.ephemeralContainers;
}

/** `serviceAccount` is the old name of `serviceAccountName`; both are always written. */
function defaultServiceAccount(spec: PodSpec): void {
  const name = spec.serviceAccountName || spec.serviceAccount;
  if (name === undefined || name === '') return;
  spec.serviceAccountName ||= name;
  if (spec.serviceAccount !== name) spec.serviceAccount = name;
}

function defaultHostPorts(container: Container | EphemeralContainer): void {
  for (const port of container.ports ?? []) port.hostPort ||= port.containerPort;
}

function defaultRequests(container: Container): void {
  const limits = container.resources?.limits;
  if (limits === undefined) return;
  const requests = ((container.resources ??= {}).requests ??= {});
  for (const [name, amount] of Object.entries(limits)) requests[name] ??= amount;
}
