/**
 * Keeps `default/kubernetes`: the service through which pods reach this API server, with its endpoints. Repaired when somebody changes it.
 */
import { isIPv6 } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AnyObject } from '../../../machinery/client/resource.ts';
import type { Transport } from '../../../machinery/client/transport.ts';
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import { isNotFound } from '../../../machinery/meta/status-error-from.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { ServedResource } from '../registry/served-resource.ts';

export interface KubernetesServiceOptions {
  readonly transport: Transport;
  readonly clusterIP: string;
  readonly advertiseAddress: string;
  /** Known once the server listens. */
  port(): number;
  readonly logger: Logger;
  /** Watched for changes by others: services, endpoints, endpointslices. */
  readonly watched: readonly ServedResource[];
}

const LOOPBACK = /^(127\.|::1$)/;
/** How often it is tried to make what another server may be making, and after what pause again. */
const TRIES = 10;
const PAUSE_MS = 200;
const NAMESPACE = 'default';
const NAME = 'kubernetes';

export class KubernetesService {
  readonly #options: KubernetesServiceOptions;

  constructor(options: KubernetesServiceOptions) {
    this.#options = options;
  }

  /** Makes all three objects as they should be. */
  async reconcile(): Promise<void> {
    const { clusterIP } = this.#options;
    await this.#ensure('/api/v1/namespaces/default/services', serviceObject(clusterIP), current => {
      const spec = (current as { spec?: { clusterIP?: string } }).spec;
      return spec?.clusterIP === clusterIP ? undefined : current;
    });
    const { advertiseAddress } = this.#options;
    // Nobody but this machine could use it, and endpoints may not hold it (tests and single processes).
    if (LOOPBACK.test(advertiseAddress)) return;
    const port = this.#options.port();
    await this.#ensure(
      '/api/v1/namespaces/default/endpoints',
      endpointsObject(advertiseAddress, port),
      same('subsets'),
    );
    await this.#ensure(
      '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices',
      sliceObject(advertiseAddress, port),
      same('endpoints', 'ports'),
    );
  }

  /** Watches the three objects and repairs them until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#options.watched.map(resource => this.#follow(resource, signal)));
  }

  async #follow({ storage }: ServedResource, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        for await (const _batch of await storage.watch({ namespace: NAMESPACE, name: NAME, signal }))
          await this.reconcile();
      } catch (error) {
        if (!signal.aborted)
          this.#options.logger.warn({ err: error }, 'Could not keep the kubernetes service as it should be');
        await new Promise(resolve => setTimeout(resolve, 1_000).unref());
      }
    }
  }

  async #ensure(
    path: string,
    wanted: AnyObject,
    repair: (current: AnyObject, wanted: AnyObject) => AnyObject | undefined,
  ): Promise<void> {
    const { transport } = this.#options;
    try {
      const current = (await transport.call({ method: 'GET', path: `${path}/${NAME}` })) as AnyObject;
      const next = repair(current, wanted);
      if (next === undefined) return;
      if (path.endsWith('/services')) {
        // A cluster address cannot be changed: the service of another range has to go first.
        await transport.call({ method: 'DELETE', path: `${path}/${NAME}` });
        await transport.call({ method: 'POST', path, body: wanted });
      } else await transport.call({ method: 'PUT', path: `${path}/${NAME}`, body: next });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      await this.#make(path, wanted);
    }
  }

  /** Another server on the same store may be making it at this moment; what it makes is as good. */
  async #make(path: string, wanted: AnyObject): Promise<void> {
    const { transport } = this.#options;
    for (let tries = 1; ; tries++) {
      try {
        await transport.call({ method: 'POST', path, body: wanted });
        return;
      } catch (error) {
        const isThere = await transport.call({ method: 'GET', path: `${path}/${NAME}` }).then(
          () => true,
          () => false,
        );
        if (isThere) return;
        if (tries === TRIES) throw error;
        await sleep(PAUSE_MS);
      }
    }
  }
}

/** Repairs by putting the wanted values of `fields` into the current object. */
function same(...fields: string[]): (current: AnyObject, wanted: AnyObject) => AnyObject | undefined {
  return (current, wanted) => {
    const have = current as unknown as Record<string, unknown>;
    const want = wanted as unknown as Record<string, unknown>;
    if (fields.every(field => jsonEquals(have[field], want[field]))) return undefined;
    return { ...have, ...Object.fromEntries(fields.map(field => [field, want[field]])) } as unknown as AnyObject;
  };
}

function serviceObject(clusterIP: string): AnyObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: NAME, namespace: NAMESPACE, labels: { component: 'apiserver', provider: 'kubernetes' } },
    spec: {
      type: 'ClusterIP',
      clusterIP,
      ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: 6443 }],
      sessionAffinity: 'None',
    },
  } as AnyObject;
}

function endpointsObject(ip: string, port: number): AnyObject {
  return {
    apiVersion: 'v1',
    kind: 'Endpoints',
    // The slice is made here as well: nothing has to be mirrored.
    metadata: { name: NAME, namespace: NAMESPACE, labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } },
    subsets: [{ addresses: [{ ip }], ports: [{ name: 'https', port, protocol: 'TCP' }] }],
  } as AnyObject;
}

function sliceObject(ip: string, port: number): AnyObject {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: NAME, namespace: NAMESPACE, labels: { 'kubernetes.io/service-name': NAME } },
    addressType: isIPv6(ip) ? 'IPv6' : 'IPv4',
    endpoints: [{ addresses: [ip], conditions: { ready: true } }],
    ports: [{ name: 'https', port, protocol: 'TCP' }],
  } as AnyObject;
}
