/**
 * Gives containers the requests and limits that the namespace's LimitRanges default to, and refuses what is outside of their bounds.
 * Source: the behaviour of Kubernetes `plugin/pkg/admission/limitranger`.
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import { parseAmounts, podLimits, podRequests, type Amounts } from '../../../machinery/meta/pod-resources.ts';
import type { Quantity } from '../../../machinery/meta/quantity.ts';
import { forbidden } from '../../../machinery/meta/status-error.ts';
import type {
  Container,
  LimitRange,
  LimitRangeItem,
  PersistentVolumeClaim,
  Pod,
  ResourceList,
} from '../../../proto/api/core-v1.ts';
import { groupResource } from '../registry/served-resource.ts';
import type { ResourceStorage } from '../storage/storage.ts';
import type { AdmissionPlugin, AdmissionRequest } from './admission.ts';

const ANNOTATION = 'kubernetes.io/limit-ranger';

export function limitRanger(ranges: ResourceStorage<LimitRange>): AdmissionPlugin {
  const of = async ({ namespace }: AdmissionRequest): Promise<LimitRange[]> => {
    const { items } = await ranges.list({ namespace, resourceVersion: '0' });
    return items.map(item => item.object);
  };
  return {
    name: 'LimitRanger',
    handles(operation, { storedInfo: { group, resource } }, subresource) {
      if (group !== '') return false;
      // A pod's resources change by resizing alone.
      if (resource === 'pods') return operation === 'CREATE' ? subresource === '' : subresource === 'resize';
      return resource === 'persistentvolumeclaims' && subresource === '' && operation !== 'DELETE';
    },
    async admit(request) {
      if (request.operation !== 'CREATE' || request.resource.storedInfo.resource !== 'pods') return;
      for (const range of await of(request)) applyDefaults(range, request.object as Pod);
    },
    async validate(request) {
      const { object, resource } = request;
      if (object === undefined || object.metadata.deletionTimestamp !== undefined) return;
      const isPod = resource.storedInfo.resource === 'pods';
      for (const range of await of(request)) {
        // What several containers do wrong alike is said once.
        const found = [...new Set(isPod ? podViolations(range, object as Pod) : claimViolations(range, object))];
        if (found.length === 0) continue;
        const why = found.length === 1 ? (found[0] ?? '') : `[${found.join(', ')}]`;
        throw forbidden(groupResource(resource.info), request.name, why);
      }
    },
  };
}

/** Fills in what containers leave open, and notes it in an annotation as upstream does. */
export function applyDefaults({ spec: { limits } }: LimitRange, pod: Pod): void {
  const items = (limits ?? []).filter(item => item.type === 'Container');
  const defaults = {
    requests: Object.assign({}, ...items.map(item => item.defaultRequest)) as ResourceList,
    limits: Object.assign({}, ...items.map(item => item.default)) as ResourceList,
  };
  const notes = [
    ...pod.spec.containers.flatMap(container => fillIn(container, defaults, 'container')),
    ...(pod.spec.initContainers ?? []).flatMap(container => fillIn(container, defaults, 'init container')),
  ];
  if (notes.length === 0) return;
  const { metadata } = pod;
  metadata.annotations = { ...metadata.annotations, [ANNOTATION]: `LimitRanger plugin set: ${notes.join('; ')}` };
}

function fillIn(
  container: Container,
  defaults: { readonly requests: ResourceList; readonly limits: ResourceList },
  what: string,
): string[] {
  const notes: string[] = [];
  for (const part of ['requests', 'limits'] as const) {
    const own = container.resources?.[part];
    const missing = Object.keys(defaults[part])
      .filter(name => own?.[name] === undefined)
      .sort();
    if (missing.length === 0) continue;
    container.resources = { ...container.resources, [part]: { ...defaults[part], ...own } };
    notes.push(`${missing.join(', ')} ${part === 'requests' ? 'request' : 'limit'} for ${what} ${container.name}`);
  }
  return notes;
}

/** What of the pod is outside of the bounds, in upstream's words. */
export function podViolations({ spec: { limits } }: LimitRange, pod: Pod): string[] {
  // Overhead is not the pod's own.
  const bare: Pod = { ...pod, spec: { ...pod.spec, overhead: undefined } };
  return (limits ?? []).flatMap(item => {
    if (item.type === 'Pod') return violations(item, podRequests(bare), podLimits(bare, 'any'));
    if (item.type !== 'Container') return [];
    return [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].flatMap(({ resources }) =>
      violations(item, parseAmounts(resources?.requests), parseAmounts(resources?.limits)),
    );
  });
}

function claimViolations({ spec: { limits } }: LimitRange, claim: AnyObject): string[] {
  const requests = parseAmounts((claim as PersistentVolumeClaim).spec.resources?.requests);
  return (limits ?? [])
    .filter(item => item.type === 'PersistentVolumeClaim')
    .flatMap(item => [
      ...each(item.min, (name, bound) => tooLittle(item.type, name, bound, requests.get(name), undefined)),
      ...each(item.max, (name, bound) => tooMuch(item.type, name, bound, requests.get(name), requests.get(name))),
    ]);
}

function violations(item: LimitRangeItem, requests: Amounts, limits: Amounts): string[] {
  const { type } = item;
  return [
    ...each(item.min, (name, bound) => tooLittle(type, name, bound, requests.get(name), limits.get(name))),
    ...each(item.max, (name, bound) => tooMuch(type, name, bound, requests.get(name), limits.get(name))),
    ...each(item.maxLimitRequestRatio, (name, bound) =>
      tooFarApart(type, name, bound, requests.get(name), limits.get(name)),
    ),
  ];
}

function each(
  bounds: ResourceList | undefined,
  check: (name: string, bound: Quantity) => string | undefined,
): string[] {
  return [...parseAmounts(bounds)].map(([name, bound]) => check(name, bound)).filter(found => found !== undefined);
}

function tooLittle(
  type: string,
  name: string,
  bound: Quantity,
  request: Quantity | undefined,
  limit: Quantity | undefined,
): string | undefined {
  const rule = `minimum ${name} usage per ${type} is ${bound.toString()}`;
  if (request === undefined) return `${rule}.  No request is specified`;
  if (request.compare(bound) < 0) return `${rule}, but request is ${request.toString()}`;
  return limit !== undefined && limit.compare(bound) < 0 ? `${rule}, but limit is ${limit.toString()}` : undefined;
}

function tooMuch(
  type: string,
  name: string,
  bound: Quantity,
  request: Quantity | undefined,
  limit: Quantity | undefined,
): string | undefined {
  const rule = `maximum ${name} usage per ${type} is ${bound.toString()}`;
  const isClaim = type === 'PersistentVolumeClaim';
  if (limit === undefined) return `${rule}.  No ${isClaim ? 'request' : 'limit'} is specified`;
  if (limit.compare(bound) > 0) return `${rule}, but ${isClaim ? 'request' : 'limit'} is ${limit.toString()}`;
  return request !== undefined && request.compare(bound) > 0
    ? `${rule}, but request is ${request.toString()}`
    : undefined;
}

function tooFarApart(
  type: string,
  name: string,
  bound: Quantity,
  request: Quantity | undefined,
  limit: Quantity | undefined,
): string | undefined {
  const rule = `${name} max limit to request ratio per ${type} is ${bound.toString()}`;
  if (request === undefined || request.isZero()) return `${rule}, but no request is specified or request is 0`;
  if (limit === undefined || limit.isZero()) return `${rule}, but no limit is specified or limit is 0`;
  const ratio = limit.toNumber() / request.toNumber();
  return ratio > bound.toNumber() ? `${rule}, but provided ratio is ${ratio.toFixed(6)}` : undefined;
}
