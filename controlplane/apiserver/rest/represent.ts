/**
 * Gives an answer the form that the client asked for: as stored, in another API version, as YAML, as a Table or as metadata alone.
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import { badRequest } from '../../../machinery/meta/status-error.ts';
import { apiVersionOf, type ServedResource } from '../registry/served-resource.ts';
import type { Strategy } from '../registry/strategy.ts';
import { unstored } from '../registry/unstored.ts';
import type { Exchange } from '../server/exchange.ts';
import type { Request, Response, WatchResponse } from '../server/request.ts';
import { eventFrame } from '../server/watch-frame.ts';
import type { StoredList, StoredObject, Watch, WatchEvent } from '../storage/storage.ts';
import { negotiate } from './negotiate.ts';
import { partialMetadata, TableWriter, type IncludeObject } from './table.ts';

/** One object. */
export function representObject(
  exchange: Exchange,
  resource: ServedResource,
  stored: StoredObject<AnyObject>,
  status: number,
): Response {
  const { as, mediaType, contentType } = negotiate(exchange.request);
  const { conversion } = resource;
  if (as === 'object' && mediaType === 'application/json') {
    if (conversion === undefined) return { kind: 'stored', status, stored };
    return { kind: 'object', status, object: conversion.fromStorage(stored.object) };
  }
  const object = conversion === undefined ? stored.object : conversion.fromStorage(stored.object);
  if (as === 'object') return { kind: 'object', status, object, contentType };
  if (as === 'PartialObjectMetadata') return { kind: 'object', status, object: partialMetadata(object), contentType };
  const metadata = { resourceVersion: stored.resourceVersion };
  return {
    kind: 'object',
    status,
    object: tableWriter(exchange, resource).table([object], metadata, exchange.nowMs),
    contentType,
  };
}

export function representList(exchange: Exchange, resource: ServedResource, list: StoredList<AnyObject>): Response {
  const { as, mediaType, contentType } = negotiate(exchange.request);
  const { info, conversion } = resource;
  const metadata = {
    resourceVersion: list.resourceVersion,
    ...(list.continue === undefined ? {} : { continue: list.continue }),
    ...(list.remainingItemCount === undefined ? {} : { remainingItemCount: list.remainingItemCount }),
  };
  const items =
    conversion === undefined ? list.items : list.items.map(item => unstored(conversion.fromStorage(item.object)));
  if (as === 'object') {
    const listKind = `${info.kind}List`;
    if (mediaType === 'application/json')
      return { kind: 'list', apiVersion: apiVersionOf(info), listKind, metadata, items };
    const object = { kind: listKind, apiVersion: apiVersionOf(info), metadata, items: items.map(item => item.object) };
    return { kind: 'object', status: 200, object, contentType };
  }
  const objects = items.map(item => item.object);
  if (as === 'Table') {
    return {
      kind: 'object',
      status: 200,
      object: tableWriter(exchange, resource).table(objects, metadata, exchange.nowMs),
      contentType,
    };
  }
  const object = {
    kind: 'PartialObjectMetadataList',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    items: objects.map(partialMetadata),
  };
  return { kind: 'object', status: 200, object, contentType };
}

export function representWatch(exchange: Exchange, resource: ServedResource, events: Watch<AnyObject>): WatchResponse {
  const { as, contentType } = negotiate(exchange.request);
  const { conversion } = resource;
  const base = { kind: 'watch', events } as const;
  if (as === 'object') {
    return conversion === undefined
      ? base
      : { ...base, convert: object => conversion.fromStorage(object as AnyObject) };
  }
  const shown = (event: WatchEvent): AnyObject => {
    const object = event.object as AnyObject;
    return conversion === undefined || event.type === 'BOOKMARK' ? object : conversion.fromStorage(object);
  };
  if (as !== 'Table')
    return { ...base, contentType, encode: event => eventFrame(event.type, partialMetadata(shown(event))) };
  const writer = tableWriter(exchange, resource);
  let first = true;
  const encode = (event: WatchEvent): Buffer => {
    const table = writer.table([shown(event)], { resourceVersion: event.resourceVersion }, exchange.now(), first);
    first = false;
    return eventFrame(event.type, table);
  };
  return { ...base, contentType, encode };
}

function tableWriter({ request }: Exchange, resource: ServedResource): TableWriter {
  return new TableWriter(resource.strategy.columns, includedObject(request));
}

/** @throws StatusError BadRequest */
function includedObject(request: Request): IncludeObject {
  const include = request.query.get('includeObject') || 'Metadata';
  if (include !== 'None' && include !== 'Metadata' && include !== 'Object') {
    throw badRequest(`unrecognized includeObject value: ${JSON.stringify(include)}`);
  }
  return include;
}

/** An object that is made up for the answer and stored nowhere (Scale). */
export function representMade(exchange: Exchange, object: AnyObject, columns: Strategy['columns']): Response {
  const { as, contentType } = negotiate(exchange.request);
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
