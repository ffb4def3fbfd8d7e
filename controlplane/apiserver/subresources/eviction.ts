/**
 * The eviction subresource: a delete that asks the pod's disruption budget first.
 * Source: kubernetes `pkg/registry/core/pod/storage/eviction.go`.
 */
import { compileLabelSelector } from '../../../machinery/meta/label-selector.ts';
import { isJsonObject } from '../../../machinery/meta/json-value.ts';
import { badRequest, StatusError } from '../../../machinery/meta/status-error.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { PodDisruptionBudget } from '../../../proto/api/policy-v1.ts';
import { deleteObject } from '../registry/delete-object.ts';
import { timestamp } from '../registry/object-meta.ts';
import type { Subresource } from '../registry/resource-set.ts';
import { parseOptional } from '../rest/decode-body.ts';
import { deletionOptions } from '../rest/query-options.ts';
import { writeScope, type RestParts } from '../rest/rest-parts.ts';
import type { ResourceStorage } from '../storage/storage.ts';

/** As many disrupted pods may be waiting for the disruption controller. */
const MAX_DISRUPTED_PODS = 2000;

export function evictionSubresource(parts: RestParts, budgets: ResourceStorage<PodDisruptionBudget>): Subresource {
  return {
    name: 'eviction',
    kind: 'Eviction',
    group: 'policy',
    version: 'v1',
    verbs: ['create'],
    async handle(exchange, pods) {
      const { namespace, name } = exchange.info;
      const body = await parseOptional(exchange, 'api/policy/v1', 'Eviction');
      if (!isJsonObject(body)) throw badRequest('the object provided is unrecognized (must be of type Eviction)');
      const named = (body['metadata'] as { name?: string } | undefined)?.name;
      if (named !== undefined && named !== name) throw badRequest('name in URL does not match name in Eviction object');
      const options = deletionOptions(exchange.request.query, body['deleteOptions']);
      const { context: base } = writeScope(exchange);
      const context = { ...base, dryRun: base.dryRun || options.dryRun };
      const pod = (await pods.storage.get(namespace, name)).object as Pod;
      if (needsBudget(pod)) await takeFromBudget(budgets, pod, context.nowMs, context.dryRun);
      await deleteObject(parts, pods, namespace, name, options, context);
      return {
        kind: 'object',
        status: 201,
        object: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 },
      };
    },
  };
}

/** Pods that do not run disturb nobody. */
function needsBudget(pod: Pod): boolean {
  const phase = pod.status?.phase;
  return (
    phase !== 'Succeeded' && phase !== 'Failed' && phase !== 'Pending' && pod.metadata.deletionTimestamp === undefined
  );
}

async function takeFromBudget(
  storage: ResourceStorage<PodDisruptionBudget>,
  pod: Pod,
  nowMs: number,
  dryRun: boolean,
): Promise<void> {
  const namespace = pod.metadata.namespace ?? '';
  const predicate = (budget: PodDisruptionBudget): boolean =>
    compileLabelSelector(budget.spec?.selector).matches(pod.metadata.labels);
  const { items } = await storage.list({ namespace, predicate });
  if (items.length > 1) {
    const message = 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.';
    throw new StatusError('InternalError', 500, message);
  }
  const budget = items[0];
  if (budget === undefined) return;
  const take = (current: PodDisruptionBudget): PodDisruptionBudget => disrupted(current, pod, timestamp(nowMs));
  if (dryRun) take(budget.object);
  else await storage.guaranteedUpdate(namespace, budget.name, undefined, take);
}

function disrupted(budget: PodDisruptionBudget, pod: Pod, now: string): PodDisruptionBudget {
  const { status, metadata } = budget;
  const name = metadata.name ?? '';
  const why = (message: string, retryAfterSeconds: number): StatusError => {
    const cause = `The disruption budget ${name} needs ${status?.desiredHealthy ?? 0} healthy pods and has ${status?.currentHealthy ?? 0} currently`;
    const details = {
      causes: [{ reason: 'DisruptionBudget', message: cause }],
      ...(retryAfterSeconds > 0 ? { retryAfterSeconds } : {}),
    };
    return new StatusError('TooManyRequests', 429, message, details);
  };
  if ((status?.observedGeneration ?? 0) < (metadata.generation ?? 0)) {
    throw why("Cannot evict pod as it would violate the pod's disruption budget.", 10);
  }
  const waiting = { ...status?.disruptedPods };
  if ((status?.disruptionsAllowed ?? 0) <= 0 || Object.keys(waiting).length > MAX_DISRUPTED_PODS) {
    throw why("Cannot evict pod as it would violate the pod's disruption budget.", 0);
  }
  waiting[pod.metadata.name ?? ''] = now;
  const next = { ...status, disruptionsAllowed: (status?.disruptionsAllowed ?? 0) - 1, disruptedPods: waiting };
  return { ...budget, status: next as PodDisruptionBudget['status'] };
}
