/**
 * Finds what answers a resource request: verb of a stored resource, subresource, or virtual resource.
 */
import { methodNotSupported } from '../../../machinery/meta/status-error.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { ResourceSet, ServedEntry, VirtualResource } from '../registry/resource-set.ts';
import { groupResource } from '../registry/served-resource.ts';
import type { Exchange, Handler } from '../server/exchange.ts';
import type { Response } from '../server/request.ts';
import { negotiate } from './negotiate.ts';
import { patchObject } from './patch-handler.ts';
import { getObject, listObjects, watchObjects } from './read-handlers.ts';
import type { RestParts } from './rest-parts.ts';
import { deleteCollection, deleteOne, postObject, putObject } from './write-handlers.ts';

const NOT_FOUND: Response = {
  kind: 'bytes',
  status: 404,
  contentType: 'text/plain; charset=utf-8',
  body: '404 page not found\n',
};

export function resourceHandler(parts: RestParts, resources: ResourceSet, clock: Clock): Handler {
  return async exchange => {
    const { group, version, resource } = exchange.info;
    const entry = resources.get(group, version, resource);
    return entry === undefined ? NOT_FOUND : dispatch(parts, exchange, entry, clock);
  };
}

function dispatch(
  parts: RestParts,
  exchange: Exchange,
  entry: ServedEntry,
  clock: Clock,
): Promise<Response> | Response {
  const { verb, subresource, namespace, name } = exchange.info;
  if (entry.kind === 'virtual') {
    if (!entry.resource.verbs.includes(verb))
      throw methodNotSupported({ group: entry.resource.info.group, resource: entry.resource.info.resource }, verb);
    return answerVirtual(exchange, entry.resource);
  }
  const { resource, subresources } = entry;
  if (
    resource.info.namespaced
      ? namespace === '' && name !== '' && needsName(verb)
      : namespace !== '' && resource.info.resource !== 'namespaces'
  )
    return NOT_FOUND;
  if (subresource !== '') {
    const found = subresources.get(subresource);
    if (found === undefined) return NOT_FOUND;
    if (!found.verbs.includes(verb) && !found.verbs.includes('*'))
      throw methodNotSupported(groupResource(resource.info), verb);
    return found.handle(exchange, resource);
  }
  switch (verb) {
    case 'get':
      return getObject(exchange, resource);
    case 'list':
      return listObjects(exchange, resource);
    case 'watch':
      return watchObjects(exchange, resource, clock);
    case 'create':
      return postObject(parts, exchange, resource);
    case 'update':
      return putObject(parts, exchange, resource);
    case 'patch':
      return patchObject(parts, exchange, resource);
    case 'delete':
      return deleteOne(parts, exchange, resource);
    case 'deletecollection':
      return deleteCollection(parts, exchange, resource);
    default:
      throw methodNotSupported(groupResource(resource.info), verb);
  }
}

async function answerVirtual(exchange: Exchange, resource: VirtualResource): Promise<Response> {
  const { contentType } = negotiate(exchange.request, false);
  const response = await resource.handle(exchange);
  return response.kind === 'object' && response.contentType === undefined ? { ...response, contentType } : response;
}

function needsName(verb: string): boolean {
  return verb !== 'list' && verb !== 'watch';
}
