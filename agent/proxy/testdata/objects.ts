/** Services, slices and informers that hold them, for tests. */
import type { AnyObject, Resource } from '../../../machinery/client/resource.ts';
import type { Informer, InformerHandler, Lister } from '../../../machinery/client/informer.ts';
import type { Service, ServiceSpec } from '../../../proto/api/core-v1.ts';
import type { Endpoint, EndpointPort, EndpointSlice } from '../../../proto/api/discovery-v1.ts';
import type { NodeModel } from '../plan/model.ts';

export const testNode: NodeModel = {
  nodeName: 'node-1',
  zone: 'a',
  family: 'IPv4',
  clusterCIDR: '10.244.0.0/16',
  localServiceIPs: new Set(['10.96.0.10']),
  localhostNodePorts: true,
  nodePortAddresses: 'all',
  masqueradeBit: 14,
};

export function service(name: string, spec: Partial<ServiceSpec>, loadBalancerIPs: string[] = []): Service {
  return {
    metadata: { namespace: 'default', name },
    spec: { type: 'ClusterIP', ports: [{ name: 'http', port: 80, protocol: 'TCP' }], ...spec },
    status: { loadBalancer: { ingress: loadBalancerIPs.map(ip => ({ ip })) } },
  };
}

export function slice(
  of: string,
  endpoints: (string | Endpoint)[],
  ports: EndpointPort[] = [{ name: 'http', port: 8080, protocol: 'TCP' }],
  suffix = 'x',
): EndpointSlice {
  return {
    metadata: { namespace: 'default', name: `${of}-${suffix}`, labels: { 'kubernetes.io/service-name': of } },
    addressType: 'IPv4',
    endpoints: endpoints.map(e =>
      typeof e === 'string' ? { addresses: [e], nodeName: 'node-1', conditions: { ready: true } } : e,
    ),
    ports,
  };
}

/** An informer whose objects a test sets by hand. */
export class ManualInformer<T extends AnyObject> implements Informer<T> {
  readonly resource: Resource<T>;
  private readonly objects = new Map<string, T>();
  private readonly indexes = new Map<string, (object: T) => readonly string[]>();
  private readonly handlers = new Set<InformerHandler<T>>();

  constructor(resource: Resource<T>) {
    this.resource = resource;
  }

  readonly lister: Lister<T> = {
    get: (namespace, name) => this.objects.get(`${namespace ?? ''}/${name}`),
    list: namespace =>
      [...this.objects.values()].filter(o => namespace === undefined || o.metadata.namespace === namespace),
    byIndex: (index, value) => {
      const held = this.held.get(index)?.get(value);
      return held === undefined ? [] : [...held].flatMap(key => this.objects.get(key) ?? []);
    },
  };

  private readonly held = new Map<string, Map<string, Set<string>>>();

  set(object: T): void {
    const key = this.keyOf(object);
    const older = this.objects.get(key);
    this.unindex(key, older);
    this.objects.set(key, object);
    this.reindex(key, object);
    for (const handler of this.handlers) {
      if (older === undefined) handler.onAdd?.(object, false);
      else handler.onUpdate?.(older, object);
    }
  }

  remove(object: T): void {
    const key = this.keyOf(object);
    const last = this.objects.get(key);
    this.unindex(key, last);
    this.objects.delete(key);
    if (last !== undefined) for (const handler of this.handlers) handler.onDelete?.(last);
  }

  addHandler(handler: InformerHandler<T>): () => void {
    this.handlers.add(handler);
    for (const object of this.objects.values()) handler.onAdd?.(object, true);
    return () => this.handlers.delete(handler);
  }

  addIndex(name: string, valuesOf: (object: T) => readonly string[]): void {
    if (this.indexes.has(name)) return;
    this.indexes.set(name, valuesOf);
    for (const [key, object] of this.objects) this.reindex(key, object);
  }

  synced(): Promise<void> {
    return Promise.resolve();
  }

  hasSynced(): boolean {
    return true;
  }

  private keyOf(object: T): string {
    return `${object.metadata.namespace ?? ''}/${object.metadata.name ?? ''}`;
  }

  private reindex(key: string, object: T): void {
    for (const [index, valuesOf] of this.indexes) {
      const values = this.held.get(index) ?? new Map<string, Set<string>>();
      this.held.set(index, values);
      for (const value of valuesOf(object)) values.set(value, (values.get(value) ?? new Set<string>()).add(key));
    }
  }

  private unindex(key: string, object: T | undefined): void {
    if (object === undefined) return;
    for (const [index, valuesOf] of this.indexes)
      for (const value of valuesOf(object)) this.held.get(index)?.get(value)?.delete(key);
  }
}
