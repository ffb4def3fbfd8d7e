/**
 * Asks the API server what became of owners. That one is absent is remembered: its uid never comes back, and it may have left thousands.
 */
import { LRUCache } from 'lru-cache';
import type { OwnerReference } from '../../../proto/api/meta-v1.ts';
import type { Client } from '../../../machinery/client/client.ts';
import type { AnyObject, Resource } from '../../../machinery/client/resource.ts';
import { isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { deletionOf } from './owner-graph.ts';
import type { OwnerFate } from './plan.ts';

/** As upstream. */
const REMEMBERED = 500;

export class OwnerLookup {
  private readonly client: Client;
  private readonly absent = new LRUCache<string, true>({ max: REMEMBERED });

  constructor(client: Client) {
    this.client = client;
  }

  /**
   * @param namespace of the dependent; a namespaced owner is looked for there
   * @throws StatusError when the server does not say
   */
  async fateOf(
    resource: Resource<AnyObject>,
    owner: OwnerReference,
    namespace: string | undefined,
    signal: AbortSignal,
  ): Promise<OwnerFate> {
    const ref = { namespace: resource.namespaced ? namespace : undefined, name: owner.name };
    const key = [resource.group, resource.resource, ref.namespace, ref.name, owner.uid].join('/');
    if (this.absent.has(key)) return 'absent';
    try {
      const found = await this.client.of(resource).get(ref, signal);
      if (found.metadata.uid === owner.uid) return deletionOf(found) === 'foreground' ? 'waiting' : 'solid';
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    this.absent.set(key, true);
    return 'absent';
  }
}
