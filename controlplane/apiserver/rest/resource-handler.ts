/**
 * Finds what answers a resource request: verb of a stored resource, subresource, or virtual resource.
 */
import { badRequest } from '../../../machinery/meta/status-error.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import { storedVerbs, type ResourceSet, type ServedEntry } from '../registry/resource-set.ts';
import type { Exchange, Handler } from '../server/exchange.ts';
import type { Response } from '../server/request.ts';
import { deprecation } from './deprecations.ts';
import { negotiate } from './negotiate.ts';
import { patchObject } from './patch-handler.ts';
import { getObject, listObjects, watchObjects } from './read-handlers.ts';
import { methodNotAllowed, methodsOf, resourceNotFound } from './refusals.ts';
import type { RestParts } from './rest-parts.ts';
import { deleteCollection, deleteOne, postObject, putObject } from './write-handlers.ts';

/** What is said of groups that nobody serves. */
const NOT_FOUND: Response = {
  kind: 'bytes',
  status: 404,
  contentType: 'text/plain; charset=utf-8',
  body: '404 page not found\n',
  headers: { 'x-content-type-options': 'nosniff' },
};

export function resourceHandler(parts: RestParts, resources: ResourceSet, clock: Clock): Handler {
  return async exchange => {
    const { group, version, resource } = exchange.info;
    const entry = resources.get(group, version, resource);
    if (entry !== undefined) {
      const warning = deprecation(exchange.info);
      if (warning !== undefined) exchange.warn(warning);
      return dispatch(parts, exchange, entry, clock);
    }
    if (resources.serves(group)) throw resourceNotFound();
    return NOT_FOUND;
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
    const { verbs } = entry.resource;
    if (isHead(exchange) || !verbs.includes(verb)) return methodNotAllowed(methodsOf(verbs, name !== ''));
    // Reviews have neither a table nor metadata.
    if (entry.resource.hasObjects !== true) negotiate(exchange.request, false);
    return entry.resource.handle(exchange);
  }
  const { resource, subresources } = entry;
  if (
    resource.info.namespaced
      ? namespace === '' && name !== '' && needsName(verb)
      : namespace !== '' && resource.info.resource !== 'namespaces'
  )
    throw resourceNotFound();
  checkName(name);
  if (subresource !== '') {
    const found = subresources.get(subresource);
    if (found === undefined) throw resourceNotFound();
    if (found.verbs.includes('*')) return found.handle(exchange, resource);
    if (isHead(exchange) || !found.verbs.includes(verb)) return methodNotAllowed(methodsOf(found.verbs, true));
    return found.handle(exchange, resource);
  }
  const named = name !== '' && !OF_COLLECTIONS.has(verb);
  const place = named ? OBJECT_VERBS : COLLECTION_VERBS;
  const verbs = storedVerbs(resource.info).filter(known => place.has(known));
  if (isHead(exchange) || !verbs.includes(verb)) return methodNotAllowed(methodsOf(verbs, named));
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
      return methodNotAllowed(methodsOf(verbs, named));
  }
}

/** Their name comes from a field selector. */
const OF_COLLECTIONS: ReadonlySet<string> = new Set(['list', 'watch', 'deletecollection']);
const COLLECTION_VERBS: ReadonlySet<string> = new Set([...OF_COLLECTIONS, 'create']);
const OBJECT_VERBS: ReadonlySet<string> = new Set(['get', 'update', 'patch', 'delete', 'watch']);

/** Upstream's routes know no HEAD. */
function isHead({ request }: Exchange): boolean {
  return request.method === 'HEAD';
}

/** A name must be fit to stand in a path. @throws StatusError BadRequest */
function checkName(name: string): void {
  const why =
    name === '.' || name === '..'
      ? `may not be '${name}'`
      : ['/', '%'].flatMap(found => (name.includes(found) ? [`may not contain '${found}'`] : [])).join(';');
  if (why !== '') throw badRequest(`Name parameter invalid: ${JSON.stringify(name)}: ${why}`);
}

function needsName(verb: string): boolean {
  return verb !== 'list' && verb !== 'watch';
}
