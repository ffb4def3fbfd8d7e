/**
 * Gives an answer the form that the client asked for: as stored, in another API version, as YAML or protobuf, as a Table or as metadata alone.
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import { badRequest, StatusError } from '../../../machinery/meta/status-error.ts';
import type { KindInfo } from '../../../proto/api/kinds.ts';
import { apiVersionOf, type ServedResource, type Shown } from '../registry/served-resource.ts';
import type { Strategy } from '../registry/strategy.ts';
import { unstored } from '../registry/unstored.ts';
import type { Exchange } from '../server/exchange.ts';
import type { Request, Response, WatchResponse } from '../server/request.ts';
import { eventFrame } from '../server/watch-frame.ts';
import type { StoredList, StoredObject, Watch, WatchEvent } from '../storage/storage.ts';
import { negotiate, negotiateWatch, PROTOBUF } from './negotiate.ts';
import { partialMetadata, TableWriter, type IncludeObject } from './table.ts';
import { protobufForm } from './wire-forms.ts';

/** One object. */
export function representObject(
  exchange: Exchange,
  resource: Shown,
  stored: StoredObject<AnyObject>,
  status: number,
): Response {
  const { as, mediaType } = negotiate(exchange.request);
  const { conversion } = resource;
  if (as === 'PartialObjectMetadataList') throw notThat(as, 'not a list', resource.info);
  if (mediaType === PROTOBUF) return { kind: 'stored', status, stored, form: protobufForm(resource, as) };
  if (as === 'object' && mediaType === 'application/json' && conversion === undefined)
    return { kind: 'stored', status, stored };
  const object = conversion === undefined ? stored.object : conversion.fromStorage(stored.object);
  if (as === 'object') return { kind: 'object', status, object, contentType: mediaType };
  const shown =
    as === 'PartialObjectMetadata'
      ? partialMetadata(object)
      : tableWriter(exchange, resource).table([object], { resourceVersion: stored.resourceVersion }, exchange.nowMs);
  return { kind: 'object', status, object: shown, contentType: mediaType };
}

export function representList(exchange: Exchange, resource: Shown, list: StoredList<AnyObject>): Response {
  const { as, mediaType } = negotiate(exchange.request);
  const { info, conversion } = resource;
  if (as === 'PartialObjectMetadata') throw notThat(as, 'a list', info);
  const metadata = {
    resourceVersion: list.resourceVersion,
    ...(list.continue === undefined ? {} : { continue: list.continue }),
    ...(list.remainingItemCount === undefined ? {} : { remainingItemCount: list.remainingItemCount }),
  };
  const apiVersion = apiVersionOf(info);
  const listKind = `${info.kind}List`;
  if (mediaType === PROTOBUF)
    return { kind: 'list', apiVersion, listKind, metadata, items: list.items, form: protobufForm(resource, as) };
  const items =
    conversion === undefined ? list.items : list.items.map(item => unstored(conversion.fromStorage(item.object)));
  if (as === 'object') {
    if (mediaType === 'application/json') return { kind: 'list', apiVersion, listKind, metadata, items };
    const object = { kind: listKind, apiVersion, metadata, items: items.map(item => item.object) };
    return { kind: 'object', status: 200, object, contentType: mediaType };
  }
  const objects = items.map(item => item.object);
  if (as === 'Table') {
    return {
      kind: 'object',
      status: 200,
      object: tableWriter(exchange, resource).table(objects, metadata, exchange.nowMs),
      contentType: mediaType,
    };
  }
  const object = {
    kind: 'PartialObjectMetadataList',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    items: objects.map(partialMetadata),
  };
  return { kind: 'object', status: 200, object, contentType: mediaType };
}

export function representWatch(exchange: Exchange, resource: ServedResource, events: Watch<AnyObject>): WatchResponse {
  const { as, mediaType } = negotiateWatch(exchange.request);
  const { conversion } = resource;
  const base = { kind: 'watch', events } as const;
  if (mediaType === PROTOBUF)
    return { ...base, contentType: `${PROTOBUF};stream=watch`, form: protobufForm(resource, as) };
  if (as === 'object') {
    return conversion === undefined
      ? base
      : { ...base, convert: object => conversion.fromStorage(object as AnyObject) };
  }
  const shown = (event: WatchEvent): AnyObject => {
    const object = event.object as AnyObject;
    return conversion === undefined || event.type === 'BOOKMARK' ? object : conversion.fromStorage(object);
  };
  if (as !== 'Table') return { ...base, encode: event => eventFrame(event.type, partialMetadata(shown(event))) };
  const writer = tableWriter(exchange, resource);
  let first = true;
  const encode = (event: WatchEvent): Buffer => {
    const table = writer.table([shown(event)], { resourceVersion: event.resourceVersion }, exchange.now(), first);
    first = false;
    return eventFrame(event.type, table);
  };
  return { ...base, encode };
}

/** @param is 'a list' or not */
function notThat(as: string, is: string, { group, kind }: KindInfo): StatusError {
  const type = `*${group.split('.', 1)[0] || 'core'}.${kind}${is === 'a list' ? 'List' : ''}`;
  return new StatusError('NotAcceptable', 406, `you requested ${as}, but the requested object is ${is} (${type})`);
}

function tableWriter({ request }: Exchange, resource: Shown): TableWriter {
  return new TableWriter(resource.strategy.columns, includedObject(request));
}

/** @throws StatusError BadRequest */
function includedObject(request: Request): IncludeObject {
  const include = request.query.get('includeObject') || 'Metadata';
  if (include !== 'None' && include !== 'Metadata' && include !== 'Object') {
    throw badRequest(
      `Unable to convert to Table as requested: includeObject: Invalid value: ${JSON.stringify(include)}: must be 'Metadata', 'Object', 'None', or empty`,
    );
  }
  return include;
}

/** An object that is made up for the answer and stored nowhere (Scale). */
export function representMade(exchange: Exchange, object: AnyObject, columns: Strategy['columns']): Response {
  const { as, mediaType: contentType } = negotiate(exchange.request);
  if (as === 'object') return { kind: 'object', status: 200, object, contentType };
  if (as !== 'Table') return { kind: 'object', status: 200, object: partialMetadata(object), contentType };
  const { resourceVersion = '' } = object.metadata;
  const writer = new TableWriter(columns, includedObject(exchange.request));
  return {
    kind: 'object',
    status: 200,
    object: writer.table([object], { resourceVersion }, exchange.nowMs),
    contentType,
  };
}
