/**
 * What an informer promises. `shared-informer.ts` implements it over a Reflector (list, then watch, then list again when Expired).
 */
import type { AnyObject, Resource } from './resource.ts';

/** Reads from a local copy. Objects are read-only; a copy that is not yet synced answers as if empty. */
export interface Lister<T extends AnyObject> {
  get(namespace: string | undefined, name: string): T | undefined;
  /** In no particular order. */
  list(namespace?: string): T[];
  /** Objects whose index function gave `value` (see Informer.addIndex). */
  byIndex(index: string, value: string): T[];
}

/** Called in order, synchronously, for each change. Must not throw and must not block: put a key in a queue. */
export interface InformerHandler<T extends AnyObject> {
  onAdd?(object: T, isInInitialList: boolean): void;
  onUpdate?(older: T, newer: T): void;
  onDelete?(last: T): void;
}

export interface Informer<T extends AnyObject> {
  readonly resource: Resource<T>;
  readonly lister: Lister<T>;
  /** Handlers added late are told of every object that is already there. The returned function removes it. */
  addHandler(handler: InformerHandler<T>): () => void;
  /** Must be called before or right after creation; indexes what is there already. Same name again: ignored. */
  addIndex(name: string, valuesOf: (object: T) => readonly string[]): void;
  /** Resolves when the first list has been delivered to all handlers. */
  synced(): Promise<void>;
  hasSynced(): boolean;
}

export interface InformerScope {
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
  /** Of objects no more is kept than what they are, who owns them and what holds them: for whoever follows every kind there is. */
  ownershipOnly?: boolean | undefined;
  /** Ends the informer before the factory ends, as for a kind that may be withdrawn; for all who share it. */
  until?: AbortSignal | undefined;
}

/** One informer a resource and scope, shared by all who ask. Informers start when first asked for and stop with `run`'s signal. */
export interface InformerFactory {
  informer<T extends AnyObject>(resource: Resource<T>, scope?: InformerScope): Informer<T>;
  /** Runs all informers, those asked for later too, until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  /** Resolves when every informer asked for so far has synced. */
  synced(): Promise<void>;
}
