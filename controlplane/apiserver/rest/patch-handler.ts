/**
 * PATCH in its four forms: JSON patch, merge patch, strategic merge patch and server-side apply.
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import { deepCopy, isJsonObject, type JsonObject } from '../../../machinery/meta/json-value.ts';
import { invalidError } from '../../../machinery/meta/field-error.ts';
import { badRequest, invalid, unsupportedMediaType } from '../../../machinery/meta/status-error.ts';
import { CodecError, parseJson, parseJsonStrict, parseYaml, type Parsed } from '../../../machinery/meta/codec.ts';
import type { ServedResource } from '../registry/served-resource.ts';
import { updateObject } from '../registry/update-object.ts';
import type { Exchange } from '../server/exchange.ts';
import type { Response } from '../server/request.ts';
import { checkPlace } from './check-place.ts';
import { checked, mediaType } from './decode-body.ts';
import { patchForce } from './query-options.ts';
import { placeOf } from './read-handlers.ts';
import { JSON_PATCH, MERGE_PATCH, patchedDocument, STRATEGIC_PATCH } from './patched-document.ts';
import { representObject } from './represent.ts';
import { expectedKind, fromStorage, toStorage, writeScope, type RestParts, type WriteScope } from './rest-parts.ts';

const APPLY_YAML = 'application/apply-patch+yaml';
const PATCH_TYPES = [JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_YAML];

export async function patchObject(parts: RestParts, exchange: Exchange, resource: ServedResource): Promise<Response> {
  const type = mediaType(exchange);
  if (!PATCH_TYPES.includes(type)) throw unsupportedMediaType(PATCH_TYPES);
  const scope = writeScope(exchange);
  const force = patchForce(exchange, type === APPLY_YAML);
  const patch = await readPatch(exchange, type, scope);
  if (type === APPLY_YAML) return applyObject(parts, exchange, resource, patch, force, scope);
  const expected = expectedKind(parts, resource.info);
  const { namespace, name } = exchange.info;
  const { stored } = await updateObject(parts, resource, {
    namespace: placeOf(resource, namespace),
    name,
    context: scope.context,
    change(older) {
      const current = fromStorage(resource, older as AnyObject) as unknown as JsonObject;
      const value = patchedDocument(current, patch.value, type, expected.schema);
      const parsed = { value: unshared(value, current), duplicateFields: patch.duplicateFields };
      const refuse = (problem: string): never => refusePatched(value, problem);
      const object = checked(exchange, parsed, expected, scope.query.fieldValidation, { refuse });
      checkPlace(object, resource, exchange.info);
      // In a PUT a uid is a precondition; in a patch it is a change.
      const { uid } = object.metadata;
      if (uid !== undefined && uid !== '' && uid !== older?.metadata.uid)
        throw invalid(resource.info, name, [invalidError('metadata.uid', uid, 'field is immutable')]);
      return toStorage(resource, object, older);
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

/** What a patch made of the object is no object of its kind. */
function refusePatched(value: unknown, problem: string): never {
  throw invalid({ group: '', kind: '' }, '', [invalidError('patch', JSON.stringify(value), problem)]);
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
  force: boolean,
  { query, context }: WriteScope,
): Promise<Response> {
  const { info } = exchange;
  const expected = expectedKind(parts, resource.info);
  const version = isJsonObject(patch.value) ? patch.value['apiVersion'] : undefined;
  if (version !== expected.apiVersion)
    throw badRequest(
      `Incorrect version specified in apply patch. Specified patch version: ${String(version ?? '')}, expected: ${expected.apiVersion}`,
    );
  const applied = checked(exchange, { ...patch, value: deepCopy(patch.value) }, expected, query.fieldValidation, {
    form: 'applied',
  });
  checkPlace(applied, resource, info);
  if (applied.metadata.managedFields !== undefined) throw badRequest('metadata.managedFields must be nil');
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
      return toStorage(resource, parts.ownership.apply(resource, live, deepCopy(applied), force, context), older);
    },
  });
  return representObject(exchange, resource, stored, created ? 201 : 200);
}
