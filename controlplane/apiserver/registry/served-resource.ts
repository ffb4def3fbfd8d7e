/**
 * One resource as it is served: the kind that requests speak, the strategy and storage behind it, and what is special about it.
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import type { KindInfo } from '../../../proto/api/kinds.ts';
import type { ResourceStorage } from '../storage/storage.ts';
import type { RequestContext, Strategy } from './strategy.ts';

/** Between the version that requests speak and the stored one. Both make new objects and may share parts with the given one. */
export interface Conversion {
  toStorage(object: AnyObject): AnyObject;
  fromStorage(object: AnyObject): AnyObject;
  /** Gives `object`, which is about to replace `older`, what the requested version has no field for. Both are in the stored form. */
  keep?(object: AnyObject, older: AnyObject): void;
  /** What field selectors of the requested version may name, besides name and namespace. */
  readonly fields?: readonly string[] | undefined;
}

/**
 * Side effects around writes (addresses and ports of Services). What a hook takes it gives back when the write fails:
 * `commit` after the write, `rollback` when it did not happen.
 */
export interface Reservation {
  commit(): Promise<void>;
  /** @param cause why the write failed, where it did: its outcome may be unknown */
  rollback(cause?: unknown): Promise<void>;
}

export interface RegistryHooks {
  /** Fills in what follows from the cluster's own settings, before validation. @throws StatusError Invalid */
  settle?(object: AnyObject, older: AnyObject | undefined): void;
  /** @throws StatusError Invalid when what the object asks for cannot be had */
  beforeCreate?(object: AnyObject, context: RequestContext): Promise<Reservation | undefined>;
  beforeUpdate?(object: AnyObject, older: AnyObject, context: RequestContext): Promise<Reservation | undefined>;
  afterDelete?(object: AnyObject): Promise<void>;
  /** True: finalizers of the kind's own (Namespace spec.finalizers) still hold the object. */
  isHeld?(object: AnyObject): boolean;
  /** Changes the object when its deletion begins (Namespace status.phase). */
  onDeletionBegun?(object: AnyObject): void;
}

/** As much of a resource as it takes to show its objects. */
export type Shown = Pick<ServedResource, 'info' | 'strategy' | 'conversion'>;

export interface ServedResource {
  /** What requests and answers speak. */
  readonly info: KindInfo;
  /** What is stored; the same as `info` for nearly every kind. */
  readonly storedInfo: KindInfo;
  readonly strategy: Strategy;
  readonly storage: ResourceStorage<AnyObject>;
  readonly conversion?: Conversion | undefined;
  readonly hooks?: RegistryHooks | undefined;
  /** A DELETE answers with the object rather than a Status. */
  readonly returnsDeleted: boolean;
}

/** What a write needs to know about the request. */
export interface WriteContext extends RequestContext {
  readonly fieldManager: string;
  readonly subresource: string;
  warn(text: string): void;
}

/** `apps/v1`. */
export function apiVersionOf(info: KindInfo): string {
  return info.group === '' ? info.version : `${info.group}/${info.version}`;
}

/** For error texts: the plural and group. */
export function groupResource(info: KindInfo): { group: string; resource: string } {
  return { group: info.group, resource: info.resource };
}
