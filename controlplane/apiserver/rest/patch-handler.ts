/**
 * PATCH in its four forms: JSON patch, merge patch, strategic merge patch and server-side apply.
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import { deepCopy, type JsonObject } from '../../../machinery/meta/json-value.ts';
import { invalidError, requiredError } from '../../../machinery/meta/field-error.ts';
import { badRequest, invalid, unsupportedMediaType } from '../../../machinery/meta/status-error.ts';
import { CodecError, parseJson, parseJsonStrict, parseYaml, type Parsed } from '../../../machinery/meta/codec.ts';
import type { ServedResource } from '../registry/served-resource.ts';
import { updateObject } from '../registry/update-object.ts';
import type { Exchange } from '../server/exchange.ts';
import { isTrue } from '../server/request-info.ts';
import type { Response } from '../server/request.ts';
import { checked, mediaType } from './decode-body.ts';
import { placeOf } from './read-handlers.ts';
import { JSON_PATCH, MERGE_PATCH, patchedDocument, STRATEGIC_PATCH } from './patched-document.ts';
import { representObject } from './represent.ts';
import { expectedKind, fromStorage, toStorage, writeScope, type RestParts, type WriteScope } from './rest-parts.ts';

const APPLY_YAML = 'application/apply-patch+yaml';
const PATCH_TYPES = [JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_YAML];
const PATCH_OPTIONS = { group: 'meta.k8s.io', kind: 'PatchOptions' };

export async function patchObject(parts: RestParts, exchange: Exchange, resource: ServedResource): Promise<Response> {
  const type = mediaType(exchange);
  if (!PATCH_TYPES.includes(type)) throw unsupportedMediaType(PATCH_TYPES);
  const scope = writeScope(exchange);
  const patch = await readPatch(exchange, type, scope);
  if (type === APPLY_YAML) return applyObject(parts, exchange, resource, patch, scope);
  const expected = expectedKind(parts, resource.info);
  const { namespace, name } = exchange.info;
  const { stored } = await updateObject(parts, resource, {
    namespace: placeOf(resource, namespace),
    name,
    context: scope.context,
    change(older) {
      const current = fromStorage(resource, older as AnyObject) as unknown as JsonObject;
      const value = patchedDocument(current, patch.value, type, expected.schema);
      return toStorage(
        resource,
        checked(
          exchange,
          { value: unshared(value, current), duplicateFields: patch.duplicateFields },
          expected,
          scope.query.fieldValidation,
        ),
      );
    },
  });
  return representObject(exchange, resource, stored, 200);
}

async function readPatch(exchange: Exchange, type: string, scope: WriteScope): Promise<Parsed> {
  const { body } = exchange.request;
  if (body.kind === 'object') return { value: body.object, duplicateFields: [] };
  const text = body.kind === 'none' ? '' : (await body.read()).toString();
  try {
    if (type === APPLY_YAML) return text.trimStart().startsWith('{') ? parseJsonStrict(text) : await parseYaml(text);
    return scope.query.fieldValidation === 'Ignore'
      ? { value: parseJson(text), duplicateFields: [] }
      : parseJsonStrict(text);
  } catch (error) {
    if (error instanceof CodecError) throw badRequest(`error decoding patch: ${error.message}`);
    throw error;
  }
}

/** The update changes metadata and spec in place: nothing of the shared current object may be among it. */
function unshared(value: unknown, current: JsonObject): unknown {
  return value === current ? deepCopy(value) : value;
}

async function applyObject(
  parts: RestParts,
  exchange: Exchange,
  resource: ServedResource,
  patch: Parsed,
  { query, context }: WriteScope,
): Promise<Response> {
  const { request, info } = exchange;
  if ((request.query.get('fieldManager') ?? '') === '' && request.identity === undefined) {
    throw invalid(PATCH_OPTIONS, '', [requiredError('fieldManager', 'is required for apply patch')]);
  }
  const expected = expectedKind(parts, resource.info);
  const force = isTrue(request.query.get('force'));
  const applied = checked(exchange, { ...patch, value: deepCopy(patch.value) }, expected, query.fieldValidation);
  const { name, namespace, managedFields } = applied.metadata;
  if (name !== undefined && name !== info.name)
    throw badRequest(`the name of the object (${name}) does not match the name on the URL (${info.name})`);
  if (namespace !== undefined && resource.info.namespaced && namespace !== info.namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  if (managedFields !== undefined) throw badRequest('metadata.managedFields must be nil');
  if (applied.metadata.resourceVersion !== undefined && applied.metadata.resourceVersion === '') {
    throw invalid(resource.info, info.name, [invalidError('metadata.resourceVersion', '', 'must not be empty')]);
  }
  applied.metadata.name = info.name;
  if (resource.info.namespaced) applied.metadata.namespace = info.namespace;
  const { stored, created } = await updateObject(parts, resource, {
    namespace: placeOf(resource, info.namespace),
    name: info.name,
    context,
    create: context.subresource === '',
    ownershipIsSet: true,
    change(older) {
      const live = older === undefined ? undefined : fromStorage(resource, older);
      return toStorage(resource, parts.ownership.apply(resource, live, deepCopy(applied), force, context));
    },
  });
  return representObject(exchange, resource, stored, created ? 201 : 200);
}
