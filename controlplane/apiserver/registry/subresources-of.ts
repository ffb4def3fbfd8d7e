/**
 * Which subresources each kind has: one literal table.
 */
import type { KindInfo } from '../../../proto/api/kinds.ts';
import type { RestParts } from '../rest/rest-parts.ts';
import { scaleSubresource } from '../subresources/scale.ts';
import { updateStyle } from '../subresources/update-style.ts';
import type { Subresource } from './resource-set.ts';
import type { ServedResource } from './served-resource.ts';

/** Kinds with a status subresource though their strategy does not say so (generic ones whose status others write). */
export interface SpecialSubresources {
  readonly binding: Subresource;
  readonly eviction: Subresource;
  readonly token: Subresource;
  /** attach, exec, log, portforward */
  readonly podConnect: readonly Subresource[];
  readonly nodeProxy: Subresource;
  readonly podProxy: Subresource;
  readonly serviceProxy: Subresource;
}

/** In the order in which discovery lists them. */
export function subresourcesOf(
  parts: RestParts,
  resource: ServedResource,
  special: SpecialSubresources,
): Subresource[] {
  const { info, strategy } = resource;
  const own = specialFor(parts, info, special);
  if (strategy.scale !== undefined) own.push(scaleSubresource(parts));
  if (strategy.status !== undefined) own.push(updateStyle(parts, 'status', info.kind));
  const known = new Set(own.map(sub => sub.name));
  for (const name of Object.keys(strategy.subresources ?? {})) {
    if (!known.has(name)) own.push(updateStyle(parts, name, info.kind));
  }
  return own.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function specialFor(parts: RestParts, info: KindInfo, special: SpecialSubresources): Subresource[] {
  if (info.group !== '') return [];
  switch (info.resource) {
    case 'pods':
      return [special.binding, special.eviction, ...special.podConnect, special.podProxy];
    case 'nodes':
      return [special.nodeProxy];
    case 'services':
      return [special.serviceProxy];
    case 'serviceaccounts':
      return [special.token];
    case 'namespaces':
      return [updateStyle(parts, 'finalize', 'Namespace', ['update'])];
    default:
      return [];
  }
}
