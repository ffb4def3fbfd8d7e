/**
 * PodObjects over the API: one GET for what is read once, one shared watch of one object for what must stay current.
 *
 * - A watch that is held answers `get` without a call, once its first list is there.
 * - The last who lets go ends the watch.
 */
import type { Client } from '../../../machinery/client/client.ts';
import { Reflector } from '../../../machinery/client/reflector.ts';
import { apiVersionOf, type AnyObject, type Resource } from '../../../machinery/client/resource.ts';
import { isNotFound } from '../../../machinery/meta/status-error-from.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { PodObjects } from './pod-objects.ts';

interface Watch {
  object: AnyObject | undefined;
  synced: boolean;
  readonly listeners: Set<(object: AnyObject | undefined) => void>;
  readonly stop: AbortController;
}

export class WatchedObjects implements PodObjects {
  private readonly client: Client;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly watches = new Map<string, Watch>();

  constructor(client: Client, clock: Clock, logger: Logger) {
    this.client = client;
    this.clock = clock;
    this.logger = logger;
  }

  async get<T extends AnyObject>(
    resource: Resource<T>,
    namespace: string,
    name: string,
    signal?: AbortSignal,
  ): Promise<T | undefined> {
    const watch = this.watches.get(keyOf(resource, namespace, name));
    // What is missing may have been made a moment ago: only a GET is sure of that.
    if (watch?.synced === true && watch.object !== undefined) return watch.object as T;
    try {
      return await this.client.of(resource).get({ namespace, name }, signal);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  watch<T extends AnyObject>(
    resource: Resource<T>,
    namespace: string,
    name: string,
    onChange: (object: T | undefined) => void,
  ): () => void {
    const key = keyOf(resource, namespace, name);
    const watch = this.watches.get(key) ?? this.open(key, resource, namespace, name);
    // The key holds the resource: what it watches is of its type.
    const listener = onChange as (object: AnyObject | undefined) => void;
    watch.listeners.add(listener);
    if (watch.synced) listener(watch.object);
    return () => {
      watch.listeners.delete(listener);
      if (watch.listeners.size > 0 || this.watches.get(key) !== watch) return;
      this.watches.delete(key);
      watch.stop.abort();
    };
  }

  /** Ends every watch. */
  stop(): void {
    for (const watch of this.watches.values()) watch.stop.abort();
    this.watches.clear();
  }

  private open<T extends AnyObject>(key: string, resource: Resource<T>, namespace: string, name: string): Watch {
    const watch: Watch = { object: undefined, synced: false, listeners: new Set(), stop: new AbortController() };
    this.watches.set(key, watch);
    const set = (object: AnyObject | undefined): void => {
      watch.object = object;
      watch.synced = true;
      for (const listener of watch.listeners) listener(object);
    };
    const reflector = new Reflector<T>({
      name: `${resource.resource} ${namespace}/${name}`,
      client: this.client.of(resource),
      scope: { namespace, fieldSelector: `metadata.name=${name}` },
      target: { replace: items => set(items[0]), put: set, remove: () => set(undefined) },
      clock: this.clock,
      logger: this.logger,
    });
    void reflector.run(watch.stop.signal);
    return watch;
  }
}

function keyOf(
  resource: { group: string; version: string; resource: string },
  namespace: string,
  name: string,
): string {
  return `${apiVersionOf(resource)}/${resource.resource}/${namespace}/${name}`;
}
