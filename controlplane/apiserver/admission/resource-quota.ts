/**
 * Refuses what would take a namespace over one of its quotas, and adds to their `status.used` what it lets pass.
 *
 * The sum is changed by compare-and-swap before the object is written, so two requests never pass together on one rest. What a write that
 * then fails has taken, and what goes, the quota controller gives back.
 * Source: the behaviour of Kubernetes `plugin/pkg/admission/resourcequota`.
 */
import type { KubeObject } from '../../../machinery/meta/object.ts';
import { addAmounts, parseAmounts, type Amounts } from '../../../machinery/meta/pod-resources.ts';
import { inQuotaScope } from '../../../machinery/meta/quota-scope.ts';
import { objectUsage, quotaCounts, unspecified } from '../../../machinery/meta/quota-usage.ts';
import { Quantity } from '../../../machinery/meta/quantity.ts';
import { absent } from '../../../machinery/meta/status-error-from.ts';
import { forbidden } from '../../../machinery/meta/status-error.ts';
import type { Pod, ResourceQuota } from '../../../proto/api/core-v1.ts';
import { groupResource } from '../registry/served-resource.ts';
import type { ResourceStorage, StoredObject } from '../storage/storage.ts';
import type { AdmissionPlugin, AdmissionRequest } from './admission.ts';

/** Kinds whose updates may take more than before; others count at creation alone. */
const GROWING: Readonly<Record<string, string>> = { services: '', persistentvolumeclaims: '', pods: 'resize' };

export function resourceQuotaAdmission(quotas: ResourceStorage<ResourceQuota>): AdmissionPlugin {
  const turns = new Map<string, Promise<void>>();
  return {
    name: 'ResourceQuota',
    handles(operation, { storedInfo: { namespaced, group, resource } }, subresource) {
      if (!namespaced || resource === 'events') return false;
      if (operation === 'CREATE') return subresource === '';
      return operation === 'UPDATE' && group === '' && GROWING[resource] === subresource;
    },
    async validate(request) {
      const { items } = await quotas.list({ namespace: request.namespace, resourceVersion: '0' });
      const concerned = items.filter(({ object }) => concerns(object, request));
      if (concerned.length === 0) return;
      // One after the other: requests that wait here would only make each other's writes fail.
      const before = turns.get(request.namespace);
      const turn = (before ?? Promise.resolve()).then(() => take(quotas, concerned, request));
      const ended = turn.catch(() => undefined);
      turns.set(request.namespace, ended);
      try {
        await turn;
      } finally {
        if (turns.get(request.namespace) === ended) turns.delete(request.namespace);
      }
    },
  };
}

/** The names of the quota's amounts that this kind of object counts for. */
function countedNames(quota: ResourceQuota, request: AdmissionRequest): string[] {
  return Object.keys(quota.status?.hard ?? {}).filter(name => quotaCounts(name, request.resource.storedInfo));
}

function concerns(quota: ResourceQuota, request: AdmissionRequest): boolean {
  const { object, resource } = request;
  if (object === undefined || !inQuotaScope(quota, resource.storedInfo, object)) return false;
  return countedNames(quota, request).length > 0;
}

/** Takes from all, or from none if one of them has too little left now. */
async function take(
  quotas: ResourceStorage<ResourceQuota>,
  concerned: readonly StoredObject<ResourceQuota>[],
  request: AdmissionRequest,
): Promise<void> {
  for (const { namespace, name, object } of concerned) {
    charged((quotas.peek(namespace, name)?.object ?? object) as ResourceQuota, request);
  }
  if (request.context.dryRun) return;
  for (const { namespace, name } of concerned) {
    // One that was deleted meanwhile limits nobody.
    await quotas.guaranteedUpdate(namespace, name, undefined, current => charged(current, request)).catch(absent);
  }
}

/** What the write adds to what the quota counts; an object that was of none of its scopes before is all new to it. */
function growth(quota: ResourceQuota, { resource, object, older, context }: AdmissionRequest): Amounts {
  const kind = resource.storedInfo;
  const usage = objectUsage(kind, object as KubeObject, context.nowMs);
  const wasCounted = older !== undefined && inQuotaScope(quota, kind, older);
  const before: Amounts = wasCounted ? objectUsage(kind, older, context.nowMs) : new Map();
  const grown = [...usage].map(([name, amount]) => [name, amount.sub(before.get(name) ?? Quantity.zero)] as const);
  return new Map(grown.filter(([, amount]) => amount.sign() > 0));
}

/** The quota with what the request asks for added. @throws StatusError Forbidden when it does not allow that */
function charged(quota: ResourceQuota, request: AdmissionRequest): ResourceQuota {
  const name = quota.metadata.name ?? '';
  const refuse = (why: string) => forbidden(groupResource(request.resource.info), request.name, why);
  const names = countedNames(quota, request);
  const { group, resource } = request.resource.storedInfo;
  if (group === '' && resource === 'pods') {
    const missing = unspecified(names, request.object as Pod);
    if (missing.length > 0) throw refuse(`failed quota: ${name}: must specify ${missing.join('; ')}`);
  }
  const used = parseAmounts(quota.status?.used);
  if (!names.every(each => used.has(each))) {
    throw refuse(`status unknown for quota: ${name}, resources: ${names.sort().join(',')}`);
  }
  const hard = parseAmounts(quota.status?.hard);
  const asked = new Map([...growth(quota, request)].filter(([each]) => hard.has(each)));
  if (asked.size === 0) return quota;
  const next = addAmounts(used, asked);
  const exceeded = [...asked.keys()].filter(
    each => (next.get(each) as Quantity).compare(hard.get(each) as Quantity) > 0,
  );
  if (exceeded.length > 0) {
    const tell = (amounts: Amounts): string =>
      exceeded
        .sort()
        .map(each => `${each}=${(amounts.get(each) ?? Quantity.zero).toString()}`)
        .join(',');
    throw refuse(`exceeded quota: ${name}, requested: ${tell(asked)}, used: ${tell(used)}, limited: ${tell(hard)}`);
  }
  const text = Object.fromEntries([...next].map(([each, amount]) => [each, amount.toString()]));
  return { ...quota, status: { ...quota.status, used: text } };
}
