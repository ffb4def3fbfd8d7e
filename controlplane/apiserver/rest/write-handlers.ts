/**
 * POST, PUT, DELETE and DELETE of a collection.
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import { deepCopy } from '../../../machinery/meta/json-value.ts';
import { badRequest } from '../../../machinery/meta/status-error.ts';
import { isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { createObject } from '../registry/create-object.ts';
import { deleteObject, type DeletionOutcome } from '../registry/delete-object.ts';
import type { ServedResource } from '../registry/served-resource.ts';
import { updateObject } from '../registry/update-object.ts';
import type { Exchange } from '../server/exchange.ts';
import type { Response } from '../server/request.ts';
import type { StoredObject } from '../storage/storage.ts';
import { checkPlace } from './check-place.ts';
import { decodeObject, parseOptional } from './decode-body.ts';
import { deletionOptions } from './query-options.ts';
import { listQuery, placeOf } from './read-handlers.ts';
import { representList, representObject } from './represent.ts';
import { expectedKind, toStorage, writeScope, type RestParts } from './rest-parts.ts';

/** How many objects of a collection are deleted at once. */
const DELETE_WORKERS = 8;

export async function postObject(parts: RestParts, exchange: Exchange, resource: ServedResource): Promise<Response> {
  const { info } = resource;
  const { namespace } = exchange.info;
  if (info.namespaced && namespace === '') throw badRequest('an empty namespace may not be set during creation');
  const { query, context } = writeScope(exchange);
  const object = await decodeObject(exchange, expectedKind(parts, info), query.fieldValidation);
  const stored = await createObject(
    parts,
    resource,
    toStorage(resource, object),
    placeOf(resource, namespace),
    context,
  );
  return representObject(exchange, resource, stored, 201);
}

export async function putObject(parts: RestParts, exchange: Exchange, resource: ServedResource): Promise<Response> {
  const { query, context } = writeScope(exchange);
  const { namespace, name } = exchange.info;
  const body = await decodeObject(exchange, expectedKind(parts, resource.info), query.fieldValidation);
  if (body.metadata.name === undefined || body.metadata.name === '')
    throw badRequest(`the name of the object (${name} based on URL) was undeterminable: name must be provided`);
  checkPlace(body, resource, exchange.info);
  const { stored, created } = await updateObject(parts, resource, {
    namespace: placeOf(resource, namespace),
    name,
    context,
    create: resource.strategy.allowCreateOnUpdate === true && context.subresource === '',
    change(older) {
      // Defaulting and admission change the object, and another try needs what the client sent.
      const fresh = toStorage(resource, deepCopy(body), older);
      if (older === undefined) delete fresh.metadata.resourceVersion;
      return fresh;
    },
  });
  return representObject(exchange, resource, stored, created ? 201 : 200);
}

export async function deleteOne(parts: RestParts, exchange: Exchange, resource: ServedResource): Promise<Response> {
  const { namespace, name } = exchange.info;
  const options = deletionOptions(
    exchange.request.query,
    await parseOptional(exchange, 'apimachinery/pkg/apis/meta/v1', 'DeleteOptions'),
  );
  const { context } = writeScope(exchange);
  const outcome = await deleteObject(parts, resource, placeOf(resource, namespace), name, options, {
    ...context,
    dryRun: options.dryRun,
  });
  return deletionResponse(exchange, resource, outcome);
}

function deletionResponse(exchange: Exchange, resource: ServedResource, { stored, gone }: DeletionOutcome): Response {
  if (!gone || resource.returnsDeleted) return representObject(exchange, resource, stored, 200);
  const { info } = resource;
  const details = {
    name: stored.name,
    ...(info.group === '' ? {} : { group: info.group }),
    kind: info.resource,
    uid: stored.object.metadata.uid ?? '',
  };
  return {
    kind: 'object',
    status: 200,
    object: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details },
  };
}

export async function deleteCollection(
  parts: RestParts,
  exchange: Exchange,
  resource: ServedResource,
): Promise<Response> {
  const options = deletionOptions(
    exchange.request.query,
    await parseOptional(exchange, 'apimachinery/pkg/apis/meta/v1', 'DeleteOptions'),
  );
  const { context: base } = writeScope(exchange);
  const context = { ...base, dryRun: options.dryRun };
  const listed = await resource.storage.list(listQuery(exchange, resource));
  const deleted: StoredObject<AnyObject>[] = [];
  const queue = listed.items.values();
  const worker = async (): Promise<void> => {
    for (const item of queue) {
      try {
        deleted.push((await deleteObject(parts, resource, item.namespace, item.name, options, context)).stored);
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: DELETE_WORKERS }, worker));
  return representList(exchange, resource, { ...listed, items: deleted });
}
