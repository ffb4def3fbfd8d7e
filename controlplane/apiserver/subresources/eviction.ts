/**
 * The eviction subresource: a delete that asks the pod's disruption budget first.
 * Source: kubernetes `pkg/registry/core/pod/storage/eviction.go`, 1.36.
 */
import { isJsonObject } from '../../../machinery/meta/json-value.ts';
import { isConditionTrue, setCondition } from '../../../machinery/meta/object.ts';
import { badRequest } from '../../../machinery/meta/status-error.ts';
import { isConflict } from '../../../machinery/meta/status-error-from.ts';
import type { Pod, PodCondition } from '../../../proto/api/core-v1.ts';
import type { PodDisruptionBudget } from '../../../proto/api/policy-v1.ts';
import { deleteObject, type DeletionOptions } from '../registry/delete-object.ts';
import { timestamp } from '../registry/object-meta.ts';
import type { Subresource } from '../registry/resource-set.ts';
import type { ServedResource, WriteContext } from '../registry/served-resource.ts';
import { parseOptional } from '../rest/decode-body.ts';
import { deletionOptions } from '../rest/query-options.ts';
import { writeScope, type RestParts } from '../rest/rest-parts.ts';
import type { Exchange } from '../server/exchange.ts';
import type { ResourceStorage } from '../storage/storage.ts';
import { askBudget, stillProcessed, type BudgetAnswer } from './disruption-budget.ts';

/** Attempts to evict a pod that changes while it is looked at. */
const ATTEMPTS = 20;
const VERSIONS = ['policy/v1', 'policy/v1beta1'];

interface Eviction {
  readonly parts: RestParts;
  readonly pods: ServedResource;
  readonly namespace: string;
  readonly name: string;
  readonly options: DeletionOptions;
  readonly context: WriteContext;
}

export function evictionSubresource(parts: RestParts, budgets: ResourceStorage<PodDisruptionBudget>): Subresource {
  return {
    name: 'eviction',
    kind: 'Eviction',
    group: 'policy',
    version: 'v1',
    verbs: ['create'],
    async handle(exchange, pods) {
      const { namespace, name } = exchange.info;
      const options = await readOptions(exchange, name);
      const { context: base } = writeScope(exchange);
      const context = { ...base, dryRun: base.dryRun || options.dryRun };
      await evict({ parts, pods, namespace, name, options, context }, budgets);
      return {
        kind: 'object',
        status: 201,
        object: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 },
      };
    },
  };
}

async function readOptions(exchange: Exchange, name: string): Promise<ReturnType<typeof deletionOptions>> {
  const body = await parseOptional(exchange, 'api/policy/v1', 'Eviction');
  if (!isJsonObject(body)) throw badRequest('the object provided is unrecognized (must be of type Eviction)');
  const { apiVersion = VERSIONS[0], kind = 'Eviction' } = body;
  if (kind !== 'Eviction' || !VERSIONS.includes(String(apiVersion))) {
    const what = `${String(kind)} in version ${JSON.stringify(apiVersion)}`;
    throw badRequest(`${what} cannot be handled as a Eviction: no kind ${JSON.stringify(kind)} is evicted by`);
  }
  const named = (body['metadata'] as { name?: string } | undefined)?.name ?? '';
  if (named !== name) throw badRequest('name in URL does not match name in Eviction object');
  return deletionOptions(exchange.request.query, body['deleteOptions']);
}

async function evict(eviction: Eviction, budgets: ResourceStorage<PodDisruptionBudget>): Promise<void> {
  const { pods, namespace, name, options, context } = eviction;
  const asked = options.preconditions?.resourceVersion;
  for (let attempt = 1; ; attempt++) {
    const pod = (await pods.storage.get(namespace, name)).object as Pod;
    const version = pod.metadata.resourceVersion;
    if (!disturbsNobody(pod)) {
      const answer = await askBudget(budgets, pod, context.nowMs, context.dryRun);
      return afterBudget(eviction, answer, version);
    }
    try {
      // A pod that is about to start must not be taken for one that does not run.
      await conditionAndDelete(eviction, asked ?? (isEnded(pod) ? undefined : version));
      return;
    } catch (error) {
      if (asked !== undefined || !isConflict(error) || attempt === ATTEMPTS) throw error;
    }
  }
}

async function afterBudget(eviction: Eviction, answer: BudgetAnswer, version: string | undefined): Promise<void> {
  const asked = eviction.options.preconditions?.resourceVersion;
  const bound = answer.kind === 'unhealthy';
  try {
    // An unhealthy pod that has become healthy since is the budget's to protect again.
    await conditionAndDelete(eviction, asked ?? (bound ? version : undefined));
  } catch (error) {
    if (bound && asked === undefined && isConflict(error)) throw stillProcessed(answer.budget);
    throw error;
  }
}

/** Tells the pod why it goes, then deletes it. */
async function conditionAndDelete(
  { parts, pods, namespace, name, options, context }: Eviction,
  resourceVersion: string | undefined,
): Promise<void> {
  const uid = options.preconditions?.uid;
  const exactly = {
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
  let preconditions = exactly;
  if (!context.dryRun) {
    const { stored } = await pods.storage.guaranteedUpdate(namespace, name, exactly, current =>
      withDisruption(current as Pod, timestamp(context.nowMs)),
    );
    if (resourceVersion !== undefined) preconditions = { ...exactly, resourceVersion: stored.resourceVersion };
  }
  await deleteObject(parts, pods, namespace, name, { ...options, preconditions }, context);
}

function withDisruption(pod: Pod, now: string): Pod {
  const evicted: PodCondition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'EvictionByEvictionAPI',
    message: 'Eviction API: evicting',
  };
  if (isConditionTrue(pod.status?.conditions, 'DisruptionTarget') && pod.metadata.deletionTimestamp !== undefined)
    return pod;
  return { ...pod, status: { ...pod.status, conditions: [...setCondition(pod.status?.conditions, evicted, now)] } };
}

/** Pods that do not run, or go already, need no budget. */
function disturbsNobody(pod: Pod): boolean {
  return isEnded(pod) || pod.status?.phase === 'Pending';
}

function isEnded(pod: Pod): boolean {
  const phase = pod.status?.phase;
  return phase === 'Succeeded' || phase === 'Failed' || pod.metadata.deletionTimestamp !== undefined;
}
