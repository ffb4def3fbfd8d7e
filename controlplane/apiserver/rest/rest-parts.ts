/**
 * What the handlers of resources are built from, and what each of them needs of a request.
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import type { Schema } from '../../../machinery/meta/schema.ts';
import type { KindInfo } from '../../../proto/api/kinds.ts';
import type { RegistryParts } from '../registry/create-object.ts';
import { apiVersionOf, type ServedResource, type WriteContext } from '../registry/served-resource.ts';
import type { Exchange } from '../server/exchange.ts';
import type { ExpectedKind } from './decode-body.ts';
import { negotiate } from './negotiate.ts';
import { writeQuery, type WriteQuery } from './query-options.ts';

export interface RestParts extends RegistryParts {
  /** Compiled when first asked for. */
  schemaOf(typePackage: string, kind: string): Schema;
}

export interface WriteScope {
  readonly query: WriteQuery;
  readonly context: WriteContext;
}

/** Options and context of a write. An answer that cannot be given is refused here, before anything is written. @throws StatusError */
export function writeScope(exchange: Exchange, subresource = exchange.info.subresource): WriteScope {
  negotiate(exchange.request);
  const query = writeQuery(exchange);
  const context: WriteContext = {
    nowMs: exchange.nowMs,
    user: exchange.user,
    dryRun: query.dryRun,
    fieldManager: query.fieldManager,
    subresource,
    warn: text => exchange.warn(text),
  };
  return { query, context };
}

export function expectedKind(parts: RestParts, info: KindInfo): ExpectedKind {
  return {
    apiVersion: apiVersionOf(info),
    kind: info.kind,
    schema: parts.schemaOf(info.typePackage, info.kind),
    typePackage: info.typePackage,
  };
}

/** @param older what `object` replaces, in the stored form */
export function toStorage({ conversion }: ServedResource, object: AnyObject, older?: AnyObject): AnyObject {
  if (conversion === undefined) return object;
  const stored = conversion.toStorage(object);
  if (older !== undefined) conversion.keep?.(stored, older);
  return stored;
}

export function fromStorage({ conversion }: ServedResource, object: AnyObject): AnyObject {
  return conversion === undefined ? object : conversion.fromStorage(object);
}
