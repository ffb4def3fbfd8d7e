/**
 * Informers that share one watch and one copy among all who ask for the same resource and scope.
 *
 * Objects stay exactly as the transport gave them: over the in-process transport they are the API server's own. A factory may be told to keep
 * parts of some alone.
 * A handler that throws is logged and harms no other.
 */
import { setMaxListeners } from 'node:events';
import { aborted } from '../process/aborted.ts';
import type { Clock } from '../process/clock.ts';
import type { Logger } from '../process/logger.ts';
import type { Client } from './client.ts';
import type { Informer, InformerFactory, InformerHandler, InformerScope, Lister } from './informer.ts';
import { ObjectCache } from './object-cache.ts';
import { Reflector, type ReflectorTarget } from './reflector.ts';
import { apiVersionOf, type AnyObject, type Resource } from './resource.ts';

export interface SharedInformerFactoryOptions {
  client: Client;
  clock: Clock;
  logger: Logger;
  /** In [0, 1), for jitter; default Math.random. */
  random?: (() => number) | undefined;
  /**
   * The first list is the newest there is, not what the server happens to have: for those who take over from others, who may have written by
   * another server.
   */
  fromNewest?: boolean | undefined;
  /** What of a resource's objects is kept, for those who need little of many; undefined for those that are kept whole. */
  keptOf?: ((resource: Resource<AnyObject>) => ((object: AnyObject) => AnyObject) | undefined) | undefined;
}

export class SharedInformerFactory implements InformerFactory {
  private readonly options: SharedInformerFactoryOptions;
  private readonly informers = new Map<string, SharedInformer<AnyObject>>();
  private running: { signal: AbortSignal; runs: Set<Promise<void>> } | undefined;

  constructor(options: SharedInformerFactoryOptions) {
    this.options = options;
  }

  informer<T extends AnyObject>(resource: Resource<T>, scope: InformerScope = {}): Informer<T> {
    const key = [
      apiVersionOf(resource),
      resource.resource,
      scope.namespace,
      scope.labelSelector,
      scope.fieldSelector,
      scope.ownershipOnly,
    ].join('|');
    const known = this.informers.get(key);
    // The key holds the resource, so what is stored under it is of its type.
    const informer =
      (known as unknown as SharedInformer<T> | undefined) ?? new SharedInformer(resource, scope, this.options);
    scope.until?.addEventListener('abort', () => this.end(key, informer as unknown as SharedInformer<AnyObject>), {
      once: true,
    });
    if (known !== undefined) return informer;
    this.informers.set(key, informer as unknown as SharedInformer<AnyObject>);
    this.start(informer);
    return informer;
  }

  async run(signal: AbortSignal): Promise<void> {
    if (this.running !== undefined) throw new Error('the informer factory runs already');
    this.running = { signal, runs: new Set() };
    // Every informer listens to it; their number is no leak.
    setMaxListeners(0, signal);
    for (const informer of this.informers.values()) this.start(informer);
    await aborted(signal);
    await Promise.all(this.running.runs);
  }

  async synced(): Promise<void> {
    await Promise.all([...this.informers.values()].map(informer => informer.synced()));
  }

  private end(key: string, informer: SharedInformer<AnyObject>): void {
    informer.end();
    if (this.informers.get(key) === informer) this.informers.delete(key);
  }

  private start(informer: { run(signal: AbortSignal): Promise<void> }): void {
    if (this.running === undefined || this.running.signal.aborted) return;
    const { signal, runs } = this.running;
    const run = informer.run(signal).finally(() => runs.delete(run));
    runs.add(run);
  }
}

class SharedInformer<T extends AnyObject> implements Informer<T>, ReflectorTarget<T> {
  readonly resource: Resource<T>;
  private readonly scope: InformerScope;
  private readonly options: SharedInformerFactoryOptions;
  private readonly cache = new ObjectCache<T>();
  private readonly ended = new AbortController();
  private handlers: readonly InformerHandler<T>[] = [];
  private hasList = false;
  private readonly firstList: Promise<void>;
  private resolveFirstList: () => void = () => undefined;

  constructor(resource: Resource<T>, scope: InformerScope, options: SharedInformerFactoryOptions) {
    this.resource = resource;
    this.scope = scope;
    this.options = options;
    this.firstList = new Promise(resolve => (this.resolveFirstList = resolve));
  }

  get lister(): Lister<T> {
    return this.cache;
  }

  addHandler(handler: InformerHandler<T>): () => void {
    this.handlers = [...this.handlers, handler];
    for (const object of this.cache.list()) this.tell(handler, h => h.onAdd?.(object, true));
    return () => {
      this.handlers = this.handlers.filter(h => h !== handler);
    };
  }

  addIndex(name: string, valuesOf: (object: T) => readonly string[]): void {
    this.cache.addIndex(name, valuesOf);
  }

  synced(): Promise<void> {
    return this.firstList;
  }

  hasSynced(): boolean {
    return this.hasList;
  }

  /** For all who share it. */
  end(): void {
    this.ended.abort();
  }

  run(signal: AbortSignal): Promise<void> {
    const { client, clock, logger, fromNewest, random, keptOf } = this.options;
    const { resource, scope } = this;
    // What is kept of an object is of its type.
    const keep = keptOf?.(resource as Resource<AnyObject>) as ((object: T) => T) | undefined;
    const reflector = new Reflector<T>({
      name: resource.resource,
      client: client.of(resource),
      scope,
      target: this,
      keep,
      fromNewest,
      clock,
      logger,
      random,
    });
    return reflector.run(AbortSignal.any([signal, this.ended.signal]));
  }

  replace(items: readonly T[]): void {
    const gone = new Set(this.cache.list());
    const changes: { older: T | undefined; object: T }[] = [];
    for (const object of items) {
      const older = this.cache.put(object);
      if (older !== undefined) gone.delete(older);
      if (!sameVersion(older, object)) changes.push({ older, object });
    }
    for (const object of gone) this.cache.remove(object);
    // Handlers are told after the whole list is in: their first look must not see half of it.
    const initial = !this.hasList;
    this.hasList = true;
    for (const object of gone) this.tellAll(h => h.onDelete?.(object));
    for (const { older, object } of changes) {
      if (older === undefined) this.tellAll(h => h.onAdd?.(object, initial));
      else if (older.metadata.uid === object.metadata.uid) this.tellAll(h => h.onUpdate?.(older, object));
      else this.tellReplaced(older, object);
    }
    this.resolveFirstList();
  }

  put(object: T): void {
    const older = this.cache.put(object);
    if (older === undefined) this.tellAll(h => h.onAdd?.(object, false));
    else if (older.metadata.uid !== object.metadata.uid) this.tellReplaced(older, object);
    else if (!sameVersion(older, object)) this.tellAll(h => h.onUpdate?.(older, object));
  }

  remove(object: T): void {
    // The event's object is newer than the copy: it says how the object looked at the end.
    if (this.cache.remove(object) !== undefined) this.tellAll(h => h.onDelete?.(object));
  }

  /** Another object of the same name: handlers that key by uid must see the first one go. */
  private tellReplaced(older: T, object: T): void {
    this.tellAll(h => h.onDelete?.(older));
    this.tellAll(h => h.onAdd?.(object, false));
  }

  private tellAll(what: (handler: InformerHandler<T>) => void): void {
    for (const handler of this.handlers) this.tell(handler, what);
  }

  private tell(handler: InformerHandler<T>, what: (handler: InformerHandler<T>) => void): void {
    try {
      what(handler);
    } catch (error) {
      this.options.logger.error({ resource: this.resource.resource, err: error }, 'Informer handler threw');
    }
  }
}

function sameVersion(older: AnyObject | undefined, newer: AnyObject): boolean {
  const version = older?.metadata.resourceVersion;
  return older === newer || (version !== undefined && version === newer.metadata.resourceVersion);
}
