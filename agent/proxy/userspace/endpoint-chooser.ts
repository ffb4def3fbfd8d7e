/** Which endpoint a client of one socket gets: each in turn, or the one that it had before where the service asks for that. */
import { LRUCache } from 'lru-cache';
import type { EndpointModel } from '../plan/model.ts';

const MAX_CLIENTS = 10_000;

export class EndpointChooser {
  private readonly affine: LRUCache<string, string> | undefined;
  private turn = 0;

  /** @param affinitySeconds undefined: clients are not kept */
  constructor(affinitySeconds: number | undefined) {
    this.affine =
      affinitySeconds === undefined
        ? undefined
        : new LRUCache({ max: MAX_CLIENTS, ttl: affinitySeconds * 1000, updateAgeOnGet: true });
  }

  /** @param tried those that did not answer this client just now; undefined if no other is left */
  choose(
    client: string,
    endpoints: readonly EndpointModel[],
    tried: ReadonlySet<string> = new Set(),
  ): EndpointModel | undefined {
    const left = tried.size === 0 ? endpoints : endpoints.filter(endpoint => !tried.has(endpointKey(endpoint)));
    const before = this.affine?.get(client);
    const kept = before === undefined ? undefined : left.find(endpoint => endpointKey(endpoint) === before);
    const chosen = kept ?? left[this.turn++ % Math.max(1, left.length)];
    if (chosen !== undefined && kept === undefined) this.affine?.set(client, endpointKey(chosen));
    return chosen;
  }
}

export function endpointKey({ ip, port }: EndpointModel): string {
  return `${ip} ${port}`;
}
