/**
 * What an object counts for in a ResourceQuota: admission adds it up as objects come, the quota controller as they go. Pure.
 * Source: the behaviour of upstream `pkg/quota/v1/evaluator/core`.
 */
import type { Container, PersistentVolumeClaim, Pod, ResourceList, Service } from '../../proto/api/core-v1.ts';
import type { DeviceSubRequest, ExactDeviceRequest, ResourceClaim } from '../../proto/api/resource-v1.ts';
import type { KubeObject } from './object.ts';
import { addAmounts, maxAmounts, parseAmounts, podLimits, podRequestsInUse, type Amounts } from './pod-resources.ts';
import { Quantity } from './quantity.ts';
import { parseTime } from './time.ts';

/** Names a kind by its group and plural resource name. */
export interface CountedKind {
  readonly group: string;
  readonly resource: string;
}

const ONE = Quantity.of(1);
/** Kinds that quotas may also name without `count/`. */
const PLAIN = new Set([
  'pods',
  'services',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
]);
const COMPUTE = ['cpu', 'memory', 'ephemeral-storage'] as const;
/** A quota of one of these wants every container to say its own. */
const MUST_SPECIFY = ['cpu', 'memory', 'requests.cpu', 'requests.memory', 'limits.cpu', 'limits.memory'];
const POD_NAMES = new Set([
  'pods',
  'count/pods',
  ...COMPUTE.flatMap(name => [name, `requests.${name}`, `limits.${name}`]),
]);
const CLAIM_NAMES = ['persistentvolumeclaims', 'requests.storage'];
const BY_STORAGE_CLASS = '.storageclass.storage.k8s.io/';
const BY_DEVICE_CLASS = '.deviceclass.resource.k8s.io/devices';
/** Devices that a claim can have at most, and what one for all devices counts as. */
const ALL_DEVICES = 32;

/** Whether an amount called `name` in a quota depends on objects of that kind. */
export function quotaCounts(name: string, { group, resource }: CountedKind): boolean {
  if (name === objectCountName({ group, resource })) return true;
  if (group === 'resource.k8s.io') return resource === 'resourceclaims' && name.endsWith(BY_DEVICE_CLASS);
  if (group !== '') return false;
  switch (resource) {
    case 'pods':
      return POD_NAMES.has(name) || name.startsWith('hugepages-') || isExtendedRequest(name);
    case 'services':
      return name === 'services' || name === 'services.nodeports' || name === 'services.loadbalancers';
    case 'persistentvolumeclaims':
      return CLAIM_NAMES.includes(name) || CLAIM_NAMES.some(claim => name.endsWith(BY_STORAGE_CLASS + claim));
    default:
      return PLAIN.has(resource) && name === resource;
  }
}

/** `count/deployments.apps`, `count/pods`. */
function objectCountName({ group, resource }: CountedKind): string {
  return group === '' ? `count/${resource}` : `count/${resource}.${group}`;
}

/** `requests.hugepages-2Mi`, `requests.example.com/gpu`. */
function isExtendedRequest(name: string): boolean {
  if (!name.startsWith('requests.') || name.includes(BY_STORAGE_CLASS)) return false;
  return name.startsWith('requests.hugepages-') || name.includes('/');
}

/** All that the object counts for, by the names that quotas have for it. */
export function objectUsage(kind: CountedKind, object: KubeObject, nowMs: number): Amounts {
  const usage = new Map([[objectCountName(kind), ONE]]);
  if (kind.group === 'resource.k8s.io' && kind.resource === 'resourceclaims')
    return addAmounts(usage, deviceUsage(object as ResourceClaim));
  if (kind.group !== '') return usage;
  switch (kind.resource) {
    case 'pods':
      return addAmounts(usage, podUsage(object as Pod, nowMs));
    case 'services':
      return addAmounts(usage, serviceUsage(object as Service));
    case 'persistentvolumeclaims':
      return addAmounts(usage, claimUsage(object as PersistentVolumeClaim));
    default:
      return PLAIN.has(kind.resource) ? usage.set(kind.resource, ONE) : usage;
  }
}

/** Nothing once the pod has ended, or should have. */
function podUsage(pod: Pod, nowMs: number): Amounts {
  const { phase } = pod.status ?? {};
  if (phase === 'Succeeded' || phase === 'Failed') return new Map();
  const { deletionTimestamp, deletionGracePeriodSeconds } = pod.metadata;
  if (deletionTimestamp !== undefined && deletionGracePeriodSeconds !== undefined) {
    if (nowMs > (parseTime(deletionTimestamp) ?? nowMs) + deletionGracePeriodSeconds * 1000) return new Map();
  }
  const usage = new Map([['pods', ONE]]);
  const requests = podRequestsInUse(pod);
  const limits = podLimits(pod, 'any');
  for (const [name, amount] of requests) {
    if (isCompute(name)) usage.set(name, amount).set(`requests.${name}`, amount);
    else if (name.startsWith('hugepages-')) usage.set(name, amount).set(`requests.${name}`, amount);
    else if (name.includes('/')) usage.set(`requests.${name}`, amount);
  }
  for (const [name, amount] of limits) if (isCompute(name)) usage.set(`limits.${name}`, amount);
  return usage;
}

function isCompute(name: string): boolean {
  return (COMPUTE as readonly string[]).includes(name);
}

function serviceUsage({ spec }: Service): Amounts {
  const usage = new Map([['services', ONE]]);
  const ports = spec?.ports ?? [];
  if (spec?.type === 'NodePort') usage.set('services.nodeports', Quantity.of(ports.length));
  if (spec?.type === 'LoadBalancer') {
    const withPort =
      spec.allocateLoadBalancerNodePorts === false ? ports.filter(port => (port.nodePort ?? 0) !== 0) : ports;
    usage.set('services.nodeports', Quantity.of(withPort.length)).set('services.loadbalancers', ONE);
  }
  return usage;
}

function claimUsage({ spec, metadata }: PersistentVolumeClaim): Amounts {
  const usage = new Map([['persistentvolumeclaims', ONE]]);
  const storageClass =
    metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ?? spec?.storageClassName ?? '';
  const storage = parseAmounts(spec?.resources?.requests).get('storage');
  if (storage !== undefined) usage.set('requests.storage', Quantity.of(Math.ceil(storage.toNumber()), storage.format));
  if (storageClass !== '') {
    for (const [name, amount] of [...usage]) usage.set(storageClass + BY_STORAGE_CLASS + name, amount);
  }
  return usage;
}

/** Of alternatives the one that asks for most counts, for each class by itself. */
function deviceUsage({ spec }: ResourceClaim): Amounts {
  let usage: Amounts = new Map();
  const asked = ({ deviceClassName, allocationMode, count = 1 }: DeviceSubRequest | ExactDeviceRequest): Amounts =>
    new Map([[deviceClassName + BY_DEVICE_CLASS, Quantity.of(allocationMode === 'All' ? ALL_DEVICES : count)]]);
  for (const { exactly, firstAvailable = [] } of spec?.devices?.requests ?? []) {
    const most = (exactly === undefined ? firstAvailable : [exactly]).map(asked).reduce(maxAmounts, new Map());
    usage = addAmounts(usage, most);
  }
  return usage;
}

/** What a quota over `names` wants every container to specify, and some container does not. Sorted, as `cpu for: c1,c2`. */
export function unspecified(names: readonly string[], { spec }: Pod): string[] {
  const required = names.filter(name => MUST_SPECIFY.includes(name)).sort();
  const containers = [...spec.containers, ...(spec.initContainers ?? [])];
  return required.flatMap(name => {
    const [part, resource] = name.startsWith('limits.')
      ? (['limits', name.slice('limits.'.length)] as const)
      : (['requests', name.replace('requests.', '')] as const);
    if (spec.resources?.[part]?.[resource] !== undefined) return [];
    const lacking = containers.filter(container => !says(container, part, resource));
    return lacking.length === 0 ? [] : [`${name} for: ${lacking.map(c => c.name).join(',')}`];
  });
}

function says({ resources }: Container, part: 'requests' | 'limits', resource: string): boolean {
  return (resources?.[part] as ResourceList | undefined)?.[resource] !== undefined;
}
