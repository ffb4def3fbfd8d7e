/**
 * What the parts of a node keep of Services and EndpointSlices: every node holds all of the cluster's, ten thousand and more, and reads little of
 * each. Kept are a fifth of the memory. Whoever needs another field adds it here.
 *
 * - Of labels and annotations those alone that proxy and DNS go by; no selector, no target references, no managed fields.
 * - Objects that are equal in nearly all cases, such as conditions, are one and the same.
 */
import type { Service, ServicePort, ServiceSpec } from '../proto/api/core-v1.ts';
import type { Endpoint, EndpointSlice } from '../proto/api/discovery-v1.ts';
import { endpointSlices, services } from '../machinery/client/resource.ts';
import type { AnyObject, Resource } from '../machinery/client/resource.ts';
import { HEADLESS_LABEL, SERVICE_NAME_LABEL, TRIGGER_TIME_ANNOTATION } from '../machinery/meta/endpoint-slices.ts';

const LABELS = [SERVICE_NAME_LABEL, HEADLESS_LABEL, 'service.kubernetes.io/service-proxy-name'];
const ANNOTATIONS = [TRIGGER_TIME_ANNOTATION];
/** Ports, conditions and names of nodes are few; where there are more, remembering begins anew: what comes again and again soon is there. */
const MOST_REMEMBERED = 1_000;
const NO_STATUS = { loadBalancer: {} };

export class KeptObjects {
  private readonly texts = new Map<string, string>();
  private readonly values = new Map<string, object>();

  /** For SharedInformerFactory: how objects of a resource are cut; undefined for those that are kept whole. */
  readonly of = (resource: Resource<AnyObject>): ((object: AnyObject) => AnyObject) | undefined => {
    if (isOf(resource, services)) return object => this.service(object as Service);
    if (isOf(resource, endpointSlices)) return object => this.slice(object as EndpointSlice);
    return undefined;
  };

  service({ metadata, spec, status }: Service): Service {
    return {
      metadata: this.metadata(metadata),
      spec: this.spec(spec),
      status: status?.loadBalancer?.ingress === undefined ? NO_STATUS : { loadBalancer: status.loadBalancer },
    };
  }

  slice({ metadata, addressType, endpoints, ports }: EndpointSlice): EndpointSlice {
    return {
      // By its name alone is a slice known: who comes after another of its name is a change of that.
      metadata: this.metadata({ ...metadata, uid: undefined, creationTimestamp: undefined }),
      addressType: this.sameText(addressType),
      endpoints: (endpoints ?? []).map(endpoint => this.endpoint(endpoint)),
      ports: this.same(ports ?? []),
    };
  }

  // Fields that nearly all have stand in the literals, where they cost the least; the others are added.
  private metadata<M extends AnyObject['metadata']>(metadata: M): M {
    const { name, namespace, uid, resourceVersion, creationTimestamp, deletionTimestamp } = metadata;
    const kept: AnyObject['metadata'] = {
      name,
      namespace: this.sameText(namespace ?? ''),
      uid,
      resourceVersion,
      creationTimestamp,
      labels: picked(metadata.labels, LABELS),
      annotations: picked(metadata.annotations, ANNOTATIONS),
    };
    if (deletionTimestamp !== undefined) kept.deletionTimestamp = deletionTimestamp;
    return kept as M;
  }

  private spec({
    type,
    clusterIP,
    clusterIPs,
    ports,
    sessionAffinity,
    internalTrafficPolicy,
    ...rest
  }: ServiceSpec): ServiceSpec {
    const kept: ServiceSpec = {
      type: this.sameText(type ?? 'ClusterIP'),
      clusterIP,
      // Whoever reads them takes the one for the list.
      clusterIPs: clusterIPs?.length === 1 && clusterIPs[0] === clusterIP ? undefined : clusterIPs,
      ports: this.same((ports ?? []).map(portOf)),
      sessionAffinity: this.sameText(sessionAffinity ?? 'None'),
      internalTrafficPolicy: this.sameText(internalTrafficPolicy ?? 'Cluster'),
    };
    const { selector: _selector, ipFamilies: _families, ipFamilyPolicy: _policy, ...others } = rest;
    return Object.keys(others).length === 0 ? kept : { ...kept, ...others };
  }

  private endpoint({ addresses, conditions = {}, hostname, nodeName, hints }: Endpoint): Endpoint {
    const kept: Endpoint = {
      addresses,
      conditions: this.same(conditions),
      nodeName: nodeName === undefined ? undefined : this.sameText(nodeName),
    };
    if (hostname !== undefined) kept.hostname = hostname;
    if (hints !== undefined) kept.hints = this.same(hints);
    return kept;
  }

  /** Of texts that come again and again. */
  private sameText(text: string): string {
    const known = this.texts.get(text);
    if (known === undefined) remember(this.texts, text, text);
    return known ?? text;
  }

  /** Of values of which there are few different ones. */
  private same<T extends object>(value: T): T {
    const text = JSON.stringify(value);
    const known = this.values.get(text) as T | undefined;
    if (known === undefined) remember(this.values, text, value);
    return known ?? value;
  }
}

function remember<T>(known: Map<string, T>, text: string, value: T): void {
  if (known.size >= MOST_REMEMBERED) known.clear();
  known.set(text, value);
}

function isOf(one: Resource<AnyObject>, { group, resource }: { group: string; resource: string }): boolean {
  return one.group === group && one.resource === resource;
}

function picked(
  from: Readonly<Record<string, string>> | undefined,
  names: readonly string[],
): Record<string, string> | undefined {
  let kept: Record<string, string> | undefined;
  for (const name of names) {
    const value = from?.[name];
    if (value !== undefined) (kept ??= {})[name] = value;
  }
  return kept;
}

function portOf({ name, protocol, port, nodePort }: ServicePort): ServicePort {
  return { name, protocol, port, nodePort };
}
