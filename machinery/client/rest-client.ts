/**
 * The Client over any Transport: turns typed calls into paths, queries and bodies of the Kubernetes REST API.
 */
import type {
  Client,
  DeleteOptions,
  ListOptions,
  ListResult,
  ObjectRef,
  PatchOptions,
  ResourceClient,
  WatchOptions,
  WriteOptions,
} from './client.ts';
import { MeteredTransport, type RequestObserver } from './metered-transport.ts';
import { apiVersionOf, type AnyObject, type Resource } from './resource.ts';
import type { Transport, WatchEvent } from './transport.ts';

const PATCH_TYPES = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
} as const;

export interface RestClientOptions {
  /** The field manager of writes that name none. */
  fieldManager?: string | undefined;
}

export class RestClient implements Client {
  private readonly transport: MeteredTransport;
  private readonly options: RestClientOptions;

  constructor(transport: Transport, options: RestClientOptions = {}) {
    this.transport = new MeteredTransport(transport);
    this.options = options;
  }

  /** Tells `observer` of every call from now on. */
  observe(observer: RequestObserver): void {
    this.transport.observer = observer;
  }

  of<T extends AnyObject>(resource: Resource<T>): ResourceClient<T> {
    return new RestResourceClient(this.transport, resource, this.options);
  }

  raw(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body?: unknown,
    signal?: AbortSignal,
  ): Promise<unknown> {
    return this.transport.call({ method, path, body, signal });
  }
}

/** The path of a collection, or of one object with its subresource; parts are escaped. */
export function resourcePath(
  resource: Pick<Resource<AnyObject>, 'group' | 'version' | 'resource' | 'namespaced'>,
  namespace: string | undefined,
  name?: string,
  subresource?: string,
): string {
  const root = resource.group === '' ? '/api/' : '/apis/';
  let path = `${root}${apiVersionOf(resource)}`;
  if (resource.namespaced && namespace !== undefined && namespace !== '')
    path += `/namespaces/${encodeURIComponent(namespace)}`;
  path += `/${resource.resource}`;
  if (name !== undefined) path += `/${encodeURIComponent(name)}`;
  return subresource === undefined ? path : `${path}/${subresource}`;
}

class RestResourceClient<T extends AnyObject> implements ResourceClient<T> {
  private readonly transport: Transport;
  private readonly resource: Resource<T>;
  private readonly options: RestClientOptions;

  constructor(transport: Transport, resource: Resource<T>, options: RestClientOptions) {
    this.transport = transport;
    this.resource = resource;
    this.options = options;
  }

  async get(ref: ObjectRef, signal?: AbortSignal): Promise<T> {
    return (await this.transport.call({ method: 'GET', path: this.pathOf(ref), signal })) as T;
  }

  async list(options: ListOptions = {}): Promise<ListResult<T>> {
    const path = resourcePath(this.resource, options.namespace);
    const query = listQuery(options);
    const list = (await this.transport.call({ method: 'GET', path, query, signal: options.signal })) as ListBody<T>;
    return {
      items: list.items ?? [],
      resourceVersion: list.metadata?.resourceVersion ?? '',
      continue: list.metadata?.continue,
    };
  }

  watch(options: WatchOptions): AsyncIterable<WatchEvent<T>> {
    const query: Record<string, string> = { ...listQuery(options), watch: '1' };
    if (options.allowWatchBookmarks === true) query['allowWatchBookmarks'] = 'true';
    if (options.timeoutSeconds !== undefined) query['timeoutSeconds'] = String(options.timeoutSeconds);
    const path = resourcePath(this.resource, options.namespace);
    return this.transport.watch({ method: 'GET', path, query, signal: options.signal }) as AsyncIterable<WatchEvent<T>>;
  }

  async create(object: T, options: WriteOptions = {}): Promise<T> {
    const path = resourcePath(this.resource, this.namespaceOf(object));
    return this.send('POST', path, this.typed(object), options);
  }

  async update(object: T, options: WriteOptions = {}): Promise<T> {
    return this.send('PUT', this.pathOf(this.refOf(object)), this.typed(object), options);
  }

  async updateStatus(object: T, options: WriteOptions = {}): Promise<T> {
    return this.send('PUT', this.pathOf(this.refOf(object), 'status'), this.typed(object), options);
  }

  async patch(ref: ObjectRef, patch: unknown, options: PatchOptions): Promise<T> {
    const query = this.writeQuery(options);
    if (options.force === true) query['force'] = 'true';
    const path = this.pathOf(ref, options.subresource);
    const contentType = PATCH_TYPES[options.type];
    const request = { method: 'PATCH', path, query, body: patch, contentType, signal: options.signal } as const;
    return (await this.transport.call(request)) as T;
  }

  async delete(ref: ObjectRef, options: DeleteOptions = {}): Promise<void> {
    const request = { method: 'DELETE', path: this.pathOf(ref), body: deleteBody(options), signal: options.signal };
    await this.transport.call(request as typeof request & { method: 'DELETE' });
  }

  async deleteCollection(selection: ListOptions, options: DeleteOptions = {}): Promise<void> {
    const path = resourcePath(this.resource, selection.namespace);
    const signal = options.signal ?? selection.signal;
    await this.transport.call({
      method: 'DELETE',
      path,
      query: listQuery(selection),
      body: deleteBody(options),
      signal,
    });
  }

  async createSubresource<R>(ref: ObjectRef, subresource: string, body: unknown, signal?: AbortSignal): Promise<R> {
    const path = this.pathOf(ref, subresource);
    return (await this.transport.call({ method: 'POST', path, query: this.writeQuery({}), body, signal })) as R;
  }

  async updateSubresource<R>(
    ref: ObjectRef,
    subresource: string,
    body: unknown,
    options: WriteOptions = {},
  ): Promise<R> {
    return this.send('PUT', this.pathOf(ref, subresource), body, options);
  }

  private async send<R>(method: 'POST' | 'PUT', path: string, body: unknown, options: WriteOptions): Promise<R> {
    const query = this.writeQuery(options);
    return (await this.transport.call({ method, path, query, body, signal: options.signal })) as R;
  }

  private pathOf(ref: ObjectRef, subresource?: string): string {
    if (ref.name === '') throw new Error(`Cannot name a ${this.resource.kind} without a name`);
    return resourcePath(this.resource, ref.namespace, ref.name, subresource);
  }

  private refOf(object: T): ObjectRef {
    return { namespace: this.namespaceOf(object), name: object.metadata.name ?? '' };
  }

  private namespaceOf(object: T): string | undefined {
    return this.resource.namespaced ? object.metadata.namespace : undefined;
  }

  /** List items and objects built by hand may lack their type; the server wants it. */
  private typed(object: T): T {
    if (object.apiVersion !== undefined && object.kind !== undefined) return object;
    return { ...object, apiVersion: apiVersionOf(this.resource), kind: this.resource.kind };
  }

  private writeQuery(options: WriteOptions): Record<string, string> {
    const query: Record<string, string> = {};
    const fieldManager = options.fieldManager ?? this.options.fieldManager;
    if (fieldManager !== undefined) query['fieldManager'] = fieldManager;
    if (options.dryRun === true) query['dryRun'] = 'All';
    return query;
  }
}

interface ListBody<T> {
  items?: T[];
  metadata?: { resourceVersion?: string; continue?: string };
}

function listQuery(options: ListOptions): Record<string, string> {
  const query: Record<string, string> = {};
  for (const name of [
    'labelSelector',
    'fieldSelector',
    'resourceVersion',
    'resourceVersionMatch',
    'continue',
  ] as const) {
    const value = options[name];
    if (value !== undefined && value !== '') query[name] = value;
  }
  if (options.limit !== undefined) query['limit'] = String(options.limit);
  return query;
}

function deleteBody(options: DeleteOptions): Record<string, unknown> | undefined {
  const { gracePeriodSeconds, propagationPolicy, preconditions } = options;
  const body: Record<string, unknown> = { kind: 'DeleteOptions', apiVersion: 'v1' };
  if (gracePeriodSeconds !== undefined) body['gracePeriodSeconds'] = gracePeriodSeconds;
  if (propagationPolicy !== undefined) body['propagationPolicy'] = propagationPolicy;
  if (preconditions !== undefined) body['preconditions'] = preconditions;
  return Object.keys(body).length > 2 ? body : undefined;
}
