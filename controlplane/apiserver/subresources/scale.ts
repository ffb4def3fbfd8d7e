/**
 * The scale subresource: an autoscaling/v1 Scale made of three numbers of the object, wherever its kind keeps them.
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import { deepCopy, type JsonObject } from '../../../machinery/meta/json-value.ts';
import { invalidError } from '../../../machinery/meta/field-error.ts';
import { conflict, invalid, unsupportedMediaType } from '../../../machinery/meta/status-error.ts';
import type { Scale } from '../../../proto/api/autoscaling-v1.ts';
import type { Subresource } from '../registry/resource-set.ts';
import { groupResource, type ServedResource } from '../registry/served-resource.ts';
import { column } from '../kinds/columns/column.ts';
import { updateObject } from '../registry/update-object.ts';
import type { ScaleSpec, Strategy } from '../registry/strategy.ts';
import { checkPlace } from '../rest/check-place.ts';
import { checked, decodeObject, mediaType, parseBody, type ExpectedKind } from '../rest/decode-body.ts';
import { MERGE_PATCH, patchedDocument } from '../rest/patched-document.ts';
import { patchForce } from '../rest/query-options.ts';
import { representMade } from '../rest/represent.ts';
import { writeScope, type RestParts } from '../rest/rest-parts.ts';
import type { Exchange } from '../server/exchange.ts';
import type { Response } from '../server/request.ts';

const APPLY_YAML = 'application/apply-patch+yaml';
const COLUMNS: Strategy['columns'] = [
  column('Desired', 'Number of replicas that are wanted.', scale => (scale as Scale).spec?.replicas ?? 0, 'integer'),
  column(
    'Available',
    'Number of replicas that were seen last.',
    scale => (scale as Scale).status?.replicas ?? 0,
    'integer',
  ),
];

export function scaleSubresource(parts: RestParts): Subresource {
  return {
    name: 'scale',
    kind: 'Scale',
    group: 'autoscaling',
    version: 'v1',
    verbs: ['get', 'patch', 'update'],
    async handle(exchange, resource) {
      const { scale } = resource.strategy;
      if (scale === undefined) throw new Error(`${resource.info.kind} has no scale`);
      const { namespace, name } = exchange.info;
      if (exchange.info.verb === 'get') {
        const { object } = await resource.storage.get(namespace, name);
        return answer(exchange, scaleOf(object, scale));
      }
      return change(parts, exchange, resource, scale);
    },
  };
}

async function change(
  parts: RestParts,
  exchange: Exchange,
  resource: ServedResource,
  spec: ScaleSpec<AnyObject>,
): Promise<Response> {
  const { namespace, name, verb } = exchange.info;
  const expected: ExpectedKind = {
    apiVersion: 'autoscaling/v1',
    kind: 'Scale',
    schema: parts.schemaOf('api/autoscaling/v1', 'Scale'),
    typePackage: 'api/autoscaling/v1',
  };
  const { query, context } = writeScope(exchange, 'scale');
  const applies = verb === 'patch' && mediaType(exchange) === APPLY_YAML;
  const force = verb === 'patch' && patchForce(exchange, applies);
  const wanted =
    verb === 'update' ? ((await decodeObject(exchange, expected, query.fieldValidation)) as Scale) : undefined;
  const patch = wanted === undefined ? await readPatch(exchange) : undefined;
  const { stored } = await updateObject(parts, resource, {
    namespace,
    name,
    context,
    ownershipIsSet: applies,
    change(older) {
      const current = older as AnyObject;
      const next = wanted ?? patchedScale(exchange, scaleOf(current, spec), patch, expected);
      checkPlace(next, resource, exchange.info);
      const replicas = next.spec?.replicas ?? 0;
      if (replicas < 0) {
        throw invalid({ group: 'autoscaling', kind: 'Scale' }, name, [
          invalidError('spec.replicas', replicas, 'must be greater than or equal to 0'),
        ]);
      }
      const { resourceVersion, uid } = next.metadata;
      if (
        resourceVersion !== undefined &&
        resourceVersion !== '' &&
        resourceVersion !== current.metadata.resourceVersion
      )
        throw conflict(groupResource(resource.info), name);
      if (uid !== undefined && uid !== '' && uid !== current.metadata.uid)
        throw conflict(groupResource(resource.info), name);
      if (applies) return parts.ownership.apply(resource, current, replicasAlone(current, replicas), force, context);
      const object = deepCopy(current);
      spec.setReplicas(object, replicas);
      return object;
    },
  });
  return answer(exchange, scaleOf(stored.object, spec));
}

async function readPatch(exchange: Exchange): Promise<{ type: string; value: unknown }> {
  const type = mediaType(exchange);
  const { body } = exchange.request;
  if (body.kind === 'object') return { type, value: body.object };
  if (!/^application\/(json-patch|merge-patch|strategic-merge-patch|apply-patch)\+(json|yaml)$/.test(type)) {
    throw unsupportedMediaType([
      'application/json-patch+json',
      'application/merge-patch+json',
      'application/apply-patch+yaml',
    ]);
  }
  return {
    type,
    value: (await parseBody(exchange, false, type.endsWith('yaml') ? 'application/yaml' : 'application/json')).value,
  };
}

function patchedScale(
  exchange: Exchange,
  current: Scale,
  patch: { type: string; value: unknown } | undefined,
  expected: ExpectedKind,
): Scale {
  // What an applied Scale says beside its replicas is checked and changes nothing.
  const type = patch?.type === APPLY_YAML ? MERGE_PATCH : (patch?.type ?? '');
  const value = patchedDocument(current as unknown as JsonObject, patch?.value, type, expected.schema);
  return checked(exchange, { value, duplicateFields: [] }, expected, 'Ignore') as Scale;
}

/** What applying a Scale means for the object: its replicas, and nothing else, are owned by who applies. */
function replicasAlone({ apiVersion, kind, metadata: { name, namespace } }: AnyObject, replicas: number): AnyObject {
  return { apiVersion, kind, metadata: { name, namespace }, spec: { replicas } } as AnyObject;
}

function scaleOf(object: AnyObject, spec: ScaleSpec<AnyObject>): Scale {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: spec.specReplicas(object) },
    status: { replicas: spec.statusReplicas(object), selector: spec.selector(object) },
  };
}

function answer(exchange: Exchange, scale: Scale): Response {
  return representMade(exchange, scale as AnyObject, COLUMNS);
}
