/**
 * Subresources that show the whole object and let a part of it be changed: status, resize, ephemeralcontainers, approval, finalize.
 */
import type { Subresource } from '../registry/resource-set.ts';
import { getObject } from '../rest/read-handlers.ts';
import { patchObject } from '../rest/patch-handler.ts';
import type { RestParts } from '../rest/rest-parts.ts';
import { putObject } from '../rest/write-handlers.ts';

const VERBS: readonly string[] = ['get', 'patch', 'update'];

export function updateStyle(
  parts: RestParts,
  name: string,
  kind: string,
  verbs: readonly string[] = VERBS,
): Subresource {
  return {
    name,
    kind,
    verbs,
    handle(exchange, resource) {
      if (exchange.info.verb === 'update') return putObject(parts, exchange, resource);
      if (exchange.info.verb === 'patch') return patchObject(parts, exchange, resource);
      return getObject(exchange, resource);
    },
  };
}
