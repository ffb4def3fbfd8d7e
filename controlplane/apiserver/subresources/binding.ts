/**
 * The binding subresource of pods: the scheduler's word, said once.
 * Source: kubernetes `pkg/registry/core/pod/storage/storage.go` (BindingREST).
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import { requiredError, notSupportedError } from '../../../machinery/meta/field-error.ts';
import { setCondition } from '../../../machinery/meta/object.ts';
import { badRequest, conflict, invalid } from '../../../machinery/meta/status-error.ts';
import type { Binding, Pod, PodCondition } from '../../../proto/api/core-v1.ts';
import { timestamp } from '../registry/object-meta.ts';
import type { Subresource, VirtualResource } from '../registry/resource-set.ts';
import { groupResource, type ServedResource } from '../registry/served-resource.ts';
import { decodeObject } from '../rest/decode-body.ts';
import { writeScope, type RestParts } from '../rest/rest-parts.ts';
import type { Exchange } from '../server/exchange.ts';
import type { Response } from '../server/request.ts';

export function bindingSubresource(parts: RestParts): Subresource {
  return {
    name: 'binding',
    kind: 'Binding',
    verbs: ['create'],
    handle: (exchange, pods) => bind(parts, exchange, pods, exchange.info.name),
  };
}

/** Binds the pod that the body names (`POST bindings`) or the path (`POST pods/x/binding`). */
export async function bind(
  parts: RestParts,
  exchange: Exchange,
  pods: ServedResource,
  pathName: string,
): Promise<Response> {
  const { query, context } = writeScope(exchange);
  const expected = {
    apiVersion: 'v1',
    kind: 'Binding',
    schema: parts.schemaOf('api/core/v1', 'Binding'),
    typePackage: 'api/core/v1',
  };
  const binding = (await decodeObject(exchange, expected, query.fieldValidation)) as unknown as Binding;
  const named = binding.metadata.name ?? '';
  if (pathName !== '' && named !== '' && named !== pathName)
    throw badRequest('name in URL does not match name in Binding object');
  const name = pathName === '' ? named : pathName;
  if (pathName !== '' && binding.metadata.name !== undefined && binding.metadata.name !== pathName)
    throw badRequest('name in URL does not match name in Binding object');
  checkBinding(binding, name);
  const { namespace } = exchange.info;
  const preconditions = binding.metadata.uid ? { uid: binding.metadata.uid } : undefined;
  const assigned = (current: AnyObject): AnyObject =>
    assign(current as Pod, binding, name, pods, timestamp(context.nowMs));
  if (context.dryRun) assigned((await pods.storage.get(namespace, name)).object);
  else await pods.storage.guaranteedUpdate(namespace, name, preconditions, assigned);
  return {
    kind: 'object',
    status: 201,
    object: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 },
  };
}

function checkBinding(binding: Binding, name: string): void {
  const errors = [];
  const { kind = '', name: node = '' } = binding.target ?? {};
  if (kind !== '' && kind !== 'Node') errors.push(notSupportedError('target.kind', kind, ['Node', '<empty>']));
  if (node === '') errors.push(requiredError('target.name'));
  if (errors.length > 0) throw invalid({ group: '', kind: 'Binding' }, name, errors);
}

function assign(pod: Pod, binding: Binding, name: string, { info }: ServedResource, now: string): Pod {
  const refuse = (why: string): never => {
    throw conflict({ ...groupResource(info), resource: 'pods/binding' }, name, why);
  };
  if (pod.metadata.deletionTimestamp !== undefined)
    refuse(`pod ${name} is being deleted, cannot be assigned to a host`);
  const bound = pod.spec?.nodeName ?? '';
  if (bound !== '') refuse(`pod ${name} is already assigned to node ${JSON.stringify(bound)}`);
  if ((pod.spec?.schedulingGates ?? []).length > 0) refuse(`pod ${name} has non-empty .spec.schedulingGates`);
  const { annotations, labels } = binding.metadata;
  const metadata = { ...pod.metadata };
  if (annotations !== undefined) metadata.annotations = { ...metadata.annotations, ...annotations };
  if (labels !== undefined) metadata.labels = { ...metadata.labels, ...labels };
  const scheduled: PodCondition = { type: 'PodScheduled', status: 'True', observedGeneration: pod.metadata.generation };
  const conditions = setCondition((pod.status?.conditions ?? []).map(withoutReason), scheduled, now) as PodCondition[];
  return {
    ...pod,
    metadata,
    spec: { ...pod.spec, nodeName: binding.target.name } as Pod['spec'],
    status: { ...pod.status, conditions },
  };
}

/** Being scheduled needs no reason; why the pod waited is over. */
function withoutReason(condition: PodCondition): PodCondition {
  if (condition.type !== 'PodScheduled') return condition;
  const { type, status, lastTransitionTime } = condition;
  return { type, status, lastTransitionTime };
}

/** `POST /api/v1/namespaces/x/bindings`, the older way. */
export function bindingResource(parts: RestParts, pods: ServedResource): VirtualResource {
  return {
    info: { group: '', version: 'v1', kind: 'Binding', resource: 'bindings', singular: 'binding', namespaced: true },
    verbs: ['create'],
    handle: exchange => bind(parts, exchange, pods, ''),
  };
}
