/**
 * The typed client that everything in k8ts uses to talk to the API, whatever the transport.
 */
import type { AnyObject, Resource } from './resource.ts';
import type { ApiRequest, WatchEvent } from './transport.ts';

/** Names one object. `namespace` is left out for cluster-scoped kinds. */
export interface ObjectRef {
  namespace?: string | undefined;
  name: string;
}

export interface ListOptions {
  /** All namespaces when left out. */
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
  resourceVersion?: string | undefined;
  resourceVersionMatch?: 'Exact' | 'NotOlderThan' | undefined;
  limit?: number | undefined;
  continue?: string | undefined;
  signal?: AbortSignal | undefined;
}

export interface WatchOptions extends ListOptions {
  allowWatchBookmarks?: boolean | undefined;
  timeoutSeconds?: number | undefined;
}

export interface WriteOptions {
  fieldManager?: string | undefined;
  dryRun?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

export interface PatchOptions extends WriteOptions {
  /** `json` RFC 6902, `merge` RFC 7386, `strategic`, `apply` server-side apply. */
  type: 'json' | 'merge' | 'strategic' | 'apply';
  subresource?: string | undefined;
  /** With `apply`: take over fields that others own. */
  force?: boolean | undefined;
}

export interface DeleteOptions {
  gracePeriodSeconds?: number | undefined;
  propagationPolicy?: 'Foreground' | 'Background' | 'Orphan' | undefined;
  preconditions?: { uid?: string | undefined; resourceVersion?: string | undefined } | undefined;
  signal?: AbortSignal | undefined;
}

export interface ListResult<T> {
  items: T[];
  resourceVersion: string;
  continue?: string | undefined;
}

/** Every method throws StatusError as the server said. Returned objects are read-only (they may be shared). */
export interface ResourceClient<T extends AnyObject> {
  get(ref: ObjectRef, signal?: AbortSignal): Promise<T>;
  list(options?: ListOptions): Promise<ListResult<T>>;
  watch(options: WatchOptions): AsyncIterable<WatchEvent<T>>;
  /** The namespace is `object.metadata.namespace`. */
  create(object: T, options?: WriteOptions): Promise<T>;
  update(object: T, options?: WriteOptions): Promise<T>;
  updateStatus(object: T, options?: WriteOptions): Promise<T>;
  patch(ref: ObjectRef, patch: unknown, options: PatchOptions): Promise<T>;
  delete(ref: ObjectRef, options?: DeleteOptions): Promise<void>;
  deleteCollection(selection: ListOptions, options?: DeleteOptions): Promise<void>;
  /** POST to a subresource: `binding`, `token`, `eviction`. */
  createSubresource<R>(ref: ObjectRef, subresource: string, body: unknown, signal?: AbortSignal): Promise<R>;
  /** PUT to a subresource: `approval` of a CSR, `finalize` of a namespace, `scale`. */
  updateSubresource<R>(ref: ObjectRef, subresource: string, body: unknown, options?: WriteOptions): Promise<R>;
}

export interface Client {
  of<T extends AnyObject>(resource: Resource<T>): ResourceClient<T>;
  /** For paths that are no resource: discovery, reviews, health. */
  raw(method: ApiRequest['method'], path: string, body?: unknown, signal?: AbortSignal): Promise<unknown>;
}
