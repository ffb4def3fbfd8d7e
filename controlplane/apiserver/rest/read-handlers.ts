/**
 * GET, LIST and WATCH of a resource.
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import { wantsWebSocket } from '../proxying/websocket-stream.ts';
import { watchOverWebSocket } from '../proxying/websocket-watch.ts';
import type { ServedResource } from '../registry/served-resource.ts';
import type { Exchange } from '../server/exchange.ts';
import type { Response } from '../server/request.ts';
import type { ListQuery, WatchQuery } from '../storage/storage.ts';
import { listParameters } from './list-parameters.ts';
import { negotiate, negotiateWatch } from './negotiate.ts';
import { representList, representObject, representWatch } from './represent.ts';
import { selection } from './selection.ts';

/** A watch that sets no end gets one of at least so long, spread so that not all clients come back at once. */
const MIN_WATCH_MS = 1_800_000;

export async function getObject(exchange: Exchange, resource: ServedResource): Promise<Response> {
  negotiate(exchange.request);
  const { namespace, name } = exchange.info;
  const resourceVersion = exchange.request.query.get('resourceVersion');
  const query = resourceVersion === null || resourceVersion === '' ? undefined : { resourceVersion };
  return representObject(
    exchange,
    resource,
    await resource.storage.get(placeOf(resource, namespace), name, query),
    200,
  );
}

export async function listObjects(exchange: Exchange, resource: ServedResource): Promise<Response> {
  negotiate(exchange.request);
  return representList(exchange, resource, await resource.storage.list(listQuery(exchange, resource)));
}

/** What a request for a collection selects, and which page of it. @throws StatusError */
export function listQuery(exchange: Exchange, resource: ServedResource): ListQuery<AnyObject> {
  const parameters = listParameters(exchange.request.query, false);
  // Whatever is in memory is given in one piece, as upstream's watch cache does: informers count on it.
  const unpaged =
    parameters.resourceVersion === '0' &&
    parameters.resourceVersionMatch !== 'Exact' &&
    parameters.continue === undefined;
  return {
    ...selection(
      resource,
      placeOf(resource, exchange.info.namespace),
      parameters.labelSelector,
      parameters.fieldSelector,
    ),
    ...(parameters.resourceVersion === undefined ? {} : { resourceVersion: parameters.resourceVersion }),
    ...(parameters.resourceVersionMatch === undefined ? {} : { resourceVersionMatch: parameters.resourceVersionMatch }),
    ...(parameters.limit > 0 && !unpaged ? { limit: parameters.limit } : {}),
    ...(parameters.continue === undefined ? {} : { continue: parameters.continue }),
  };
}

export async function watchObjects(exchange: Exchange, resource: ServedResource, clock: Clock): Promise<Response> {
  const { info, request } = exchange;
  negotiateWatch(request);
  const parameters = listParameters(request.query, true);
  const selected = selection(
    resource,
    placeOf(resource, info.namespace),
    parameters.labelSelector,
    parameters.fieldSelector,
  );
  const timeoutMs =
    parameters.timeoutSeconds !== undefined && parameters.timeoutSeconds > 0
      ? parameters.timeoutSeconds * 1000
      : MIN_WATCH_MS * (1 + Math.random());
  const over = new AbortController();
  const stop = (): void => over.abort();
  request.signal.addEventListener('abort', stop, { once: true });
  if (request.signal.aborted) stop();
  // Callers in this process end their watches themselves.
  const cancel =
    request.identity === undefined || parameters.timeoutSeconds !== undefined
      ? clock.after(timeoutMs, stop)
      : undefined;
  over.signal.addEventListener(
    'abort',
    () => {
      cancel?.();
      request.signal.removeEventListener('abort', stop);
    },
    { once: true },
  );
  const query: WatchQuery<AnyObject> = {
    ...selected,
    // `/api/v1/watch/.../pods/x`: of that one name.
    ...(info.name !== '' && selected.name === undefined ? { name: info.name } : {}),
    ...(parameters.resourceVersion === undefined ? {} : { resourceVersion: parameters.resourceVersion }),
    allowWatchBookmarks: parameters.allowWatchBookmarks,
    ...(parameters.sendInitialEvents === undefined ? {} : { sendInitialEvents: parameters.sendInitialEvents }),
    signal: over.signal,
  };
  const answer = representWatch(exchange, resource, await resource.storage.watch(query));
  return wantsWebSocket(request) ? watchOverWebSocket(request, answer) : answer;
}

/** Where a resource's objects live: cluster-scoped ones (namespaces too) nowhere. */
export function placeOf(resource: ServedResource, namespace: string): string {
  return resource.info.namespaced ? namespace : '';
}
