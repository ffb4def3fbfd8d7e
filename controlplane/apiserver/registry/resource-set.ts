/**
 * Everything that the API server serves, by group, version and plural: stored resources with their subresources, and virtual ones
 * (reviews) that are answered and never stored.
 */
import type { KindInfo } from '../../../proto/api/kinds.ts';
import type { Exchange } from '../server/exchange.ts';
import type { Response } from '../server/request.ts';
import type { ServedResource } from './served-resource.ts';

/** A subresource: what discovery says of it, and what answers it. */
export interface Subresource {
  readonly name: string;
  /** Kind of its objects, and its group and version where they differ from the resource's. */
  readonly kind: string;
  readonly group?: string | undefined;
  readonly version?: string | undefined;
  readonly verbs: readonly string[];
  handle(exchange: Exchange, resource: ServedResource): Promise<Response>;
}

/** A resource that is answered and not stored. */
export interface VirtualResource {
  readonly info: Omit<KindInfo, 'typePackage' | 'shortNames' | 'categories'> & {
    readonly shortNames?: readonly string[];
  };
  readonly verbs: readonly string[];
  /** Its objects have tables and metadata, as stored ones do. */
  readonly hasObjects?: boolean | undefined;
  handle(exchange: Exchange): Promise<Response>;
}

export type ServedEntry =
  | {
      readonly kind: 'stored';
      readonly resource: ServedResource;
      readonly subresources: ReadonlyMap<string, Subresource>;
    }
  | { readonly kind: 'virtual'; readonly resource: VirtualResource };

const STORED_VERBS: readonly string[] = [
  'create',
  'delete',
  'deletecollection',
  'get',
  'list',
  'patch',
  'update',
  'watch',
];

/** All of them but for namespaces, which nobody may delete by the dozen. */
export function storedVerbs({ group, resource }: Pick<KindInfo, 'group' | 'resource'>): readonly string[] {
  const whole = group !== '' || resource !== 'namespaces';
  return whole ? STORED_VERBS : STORED_VERBS.filter(verb => verb !== 'deletecollection');
}

export class ResourceSet {
  readonly #entries = new Map<string, ServedEntry>();

  addStored(resource: ServedResource, subresources: readonly Subresource[]): void {
    const { group, version, resource: plural } = resource.info;
    const byName = new Map(subresources.map(s => [s.name, s]));
    this.#entries.set(key(group, version, plural), { kind: 'stored', resource, subresources: byName });
  }

  addVirtual(resource: VirtualResource): void {
    const { group, version, resource: plural } = resource.info;
    this.#entries.set(key(group, version, plural), { kind: 'virtual', resource });
  }

  get(group: string, version: string, resource: string): ServedEntry | undefined {
    return this.#entries.get(key(group, version, resource));
  }

  /** Whether there is anything of `group`, in whatever version. */
  serves(group: string): boolean {
    for (const { resource } of this.#entries.values()) if (resource.info.group === group) return true;
    return false;
  }

  /** A stored resource that must be there: one of the built-in kinds. */
  stored(group: string, resource: string): ServedResource {
    for (const entry of this.#entries.values()) {
      if (entry.kind === 'stored' && entry.resource.info.group === group && entry.resource.info.resource === resource)
        return entry.resource;
    }
    throw new Error(`the resource ${resource} of group "${group}" is not served`);
  }

  /** In the order in which they were added, which is discovery's. */
  entries(): Iterable<ServedEntry> {
    return this.#entries.values();
  }
}

function key(group: string, version: string, resource: string): string {
  return `${group}/${version}/${resource}`;
}
