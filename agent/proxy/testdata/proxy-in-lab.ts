/** A proxy on a lab's node, with a back end a family, and what tests ask of it. Services and slices are set by hand. */
import { endpointSlices, services } from '../../../machinery/client/resource.ts';
import { systemClock } from '../../../machinery/process/clock.ts';
import { silentLogger } from '../../../machinery/process/logger.ts';
import type { Service, ServiceSpec } from '../../../proto/api/core-v1.ts';
import type { Endpoint, EndpointSlice } from '../../../proto/api/discovery-v1.ts';
import { Conntrack } from '../../node-iptables/index.ts';
import type { AddressFamily } from '../plan/address.ts';
import type { NodeModel } from '../plan/model.ts';
import { Proxier } from '../proxier.ts';
import type { BackEndCase } from './back-ends.ts';
import { LAB_ADDRESSES } from './lab.ts';
import type { Lab, LabAddresses, Place } from './lab.ts';
import { ManualInformer, service, slice, testNode } from './objects.ts';

export class ProxyInLab {
  readonly at: LabAddresses;
  readonly services = new ManualInformer<Service>(services);
  readonly slices = new ManualInformer<EndpointSlice>(endpointSlices);
  /** Of the first family. May be changed; `proxier.nodeChanged()` then tells. */
  node: NodeModel;
  proxier: Proxier | undefined;
  lastSync: 'full' | 'delta' | undefined;
  private readonly lab: Lab;
  private readonly backEnds: readonly [BackEndCase, ...BackEndCase[]];
  private waiters: ((family: AddressFamily) => void)[] = [];
  private stop = new AbortController();
  private running: Promise<void> | undefined;

  constructor(lab: Lab, ...backEnds: [BackEndCase, ...BackEndCase[]]) {
    this.lab = lab;
    this.backEnds = backEnds;
    this.at = LAB_ADDRESSES[backEnds[0].family];
    this.node = nodeOf(backEnds[0].family);
  }

  /** Resolves when all there is was written. Another process's memory knows nothing of what an earlier one wrote. */
  async start(): Promise<void> {
    const proxier = new Proxier({
      services: this.services,
      endpointSlices: this.slices,
      families: this.backEnds.map((backEnd, i) => {
        const node = (): NodeModel => (i === 0 ? this.node : nodeOf(backEnd.family));
        return { backend: backEnd.create(this.lab, node), node };
      }),
      conntrack: new Conntrack({ prefix: this.lab.in('node') }),
      clock: systemClock,
      log: silentLogger,
      driftCheckMs: 500,
      onSync: ({ kind, family }) => {
        this.lastSync = kind;
        for (const synced of this.waiters) synced(family);
      },
    });
    this.stop = new AbortController();
    this.proxier = proxier;
    await this.written(() => {
      this.running = proxier.run(this.stop.signal);
    });
  }

  async end(): Promise<void> {
    this.stop.abort();
    await this.running;
  }

  async cleanup(): Promise<void> {
    await this.end();
    await this.proxier?.cleanup();
  }

  /** Runs `change`, of every family, and resolves when the kernel has it; gives the time from the change to the end of the write. */
  async written(change: () => unknown): Promise<number> {
    const startedMs = performance.now();
    const awaited = new Set(this.backEnds.map(({ family }) => family));
    const synced = new Promise<void>(resolve => {
      const waiter = (family: AddressFamily): void => {
        awaited.delete(family);
        if (awaited.size > 0) return;
        this.waiters = this.waiters.filter(other => other !== waiter);
        resolve();
      };
      this.waiters.push(waiter);
    });
    await change();
    await synced;
    return performance.now() - startedMs;
  }

  /** Puts a service and its endpoints in place of what there was of it. */
  put(
    name: string,
    spec: Partial<ServiceSpec>,
    endpoints: (string | Endpoint)[],
    loadBalancerIPs: string[] = [],
  ): Promise<number> {
    return this.written(() => {
      this.slices.set(this.slice(name, endpoints));
      this.services.set(service(name, spec, loadBalancerIPs));
    });
  }

  /** Other endpoints for a service that is there. */
  endpoints(name: string, endpoints: (string | Endpoint)[], port = 8080): Promise<number> {
    return this.written(() => this.slices.set(this.slice(name, endpoints, [{ name: 'http', port }])));
  }

  remove(...names: string[]): Promise<number> {
    return this.written(() => {
      for (const name of names) this.services.remove(service(name, {}));
    });
  }

  slice(...words: Parameters<typeof slice>): EndpointSlice {
    return { ...slice(...words), addressType: this.at.family };
  }

  /** Who answered `count` connections. */
  async names(from: Place, host: string, port: number, count = 30): Promise<Set<string | undefined>> {
    return new Set((await this.lab.fetch(from, host, port, { count })).map(answer => answer.split(' ')[0]));
  }
}

function nodeOf(family: AddressFamily): NodeModel {
  return { ...testNode, family, clusterCIDR: LAB_ADDRESSES[family].clusterCIDR, localServiceIPs: new Set() };
}

/** An endpoint that is ready on another node. */
export function elsewhere(address: string): Endpoint {
  return { addresses: [address], nodeName: 'elsewhere', conditions: { ready: true } };
}
