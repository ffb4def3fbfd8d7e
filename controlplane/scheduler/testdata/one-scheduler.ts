/** A scheduler on the real API server, over the memory store. */
import { RestClient } from '../../../machinery/client/rest-client.ts';
import { namespaces, nodes, pods, serviceAccounts } from '../../../machinery/client/resource.ts';
import { SharedInformerFactory } from '../../../machinery/client/shared-informer.ts';
import { systemClock as clock } from '../../../machinery/process/clock.ts';
import { silentLogger as logger } from '../../../machinery/process/logger.ts';
import type { MetricsRegistry } from '../../../machinery/process/metrics.ts';
import type { Pod, PodSpec } from '../../../proto/api/core-v1.ts';
import type { Client } from '../../../machinery/client/client.ts';
import { keptBySchedulers } from '../kept-objects.ts';
import { Scheduler, type SchedulerOptions } from '../scheduler.ts';
import { startServer, type RunningServer } from '../../apiserver/testdata/running-server.ts';

export class OneScheduler {
  readonly client: RestClient;
  /** Reason and message of events, in order. */
  readonly told: string[] = [];
  readonly namespace = 'test';
  private readonly server: RunningServer;
  private readonly stop = new AbortController();
  private readonly running: Promise<void>[] = [];

  private constructor(server: RunningServer) {
    this.server = server;
    this.client = new RestClient(server.admin);
  }

  /** The server alone, with a namespace. */
  static async serve(): Promise<OneScheduler> {
    const one = new OneScheduler(await startServer({ advertiseAddress: '127.0.0.1' }));
    const { client, namespace } = one;
    await client.of(namespaces).create({ metadata: { name: namespace }, spec: {} });
    await client.of(serviceAccounts).create({ metadata: { name: 'default', namespace } });
    return one;
  }

  /** @param through what the scheduler reaches the API by, if not like everybody @returns stops it */
  run(options: Partial<SchedulerOptions> & { metrics?: MetricsRegistry } = {}, through: Client = this.client): () => Promise<void> {
    const { told } = this;
    const stop = new AbortController();
    const informers = new SharedInformerFactory({ client: through, clock, logger, keptOf: keptBySchedulers });
    const recorder = {
      event: (subject: { name?: string | undefined }, _type: string, reason: string, message: string) =>
        void told.push(`${subject.name}: ${reason}: ${message}`),
    };
    const scheduler = new Scheduler({
      ...{ client: through, informers, recorder, clock, logger },
      // Back-offs of a second are not what tests wait for.
      podInitialBackoffMs: 10,
      ...options,
    });
    const ended = Promise.all([informers.run(stop.signal), scheduler.run(stop.signal)]).then(() => undefined);
    const end = async (): Promise<void> => {
      stop.abort();
      await ended;
    };
    this.stop.signal.addEventListener('abort', () => stop.abort(), { once: true });
    this.running.push(ended);
    return end;
  }

  /** A node that is ready. */
  async node(name: string, cpu = '4', labels: Record<string, string> = {}): Promise<void> {
    const amounts = { cpu, memory: '8Gi', pods: '10' };
    await this.client.of(nodes).create({
      metadata: { name, labels: { 'kubernetes.io/hostname': name, ...labels } },
      spec: {},
      status: { allocatable: amounts, capacity: amounts, conditions: [{ type: 'Ready', status: 'True' }] },
    });
    await this.client.of(nodes).patch({ name }, { spec: { taints: null } }, { type: 'merge' });
  }

  async pod(name: string, cpu = '1', more: Partial<PodSpec> = {}): Promise<Pod> {
    return this.client.of(pods).create({
      metadata: { name, namespace: this.namespace },
      spec: { containers: [{ name: 'c', image: 'i', resources: { requests: { cpu } } }], ...more },
    });
  }

  /** Where the pod is; the empty string if nowhere. */
  async nodeOf(name: string): Promise<string> {
    const { spec } = await this.client.of(pods).get({ namespace: this.namespace, name });
    return spec.nodeName ?? '';
  }

  /** The pod's PodScheduled condition: reason and message. */
  async waitsFor(name: string): Promise<string | undefined> {
    const { status } = await this.client.of(pods).get({ namespace: this.namespace, name });
    const condition = status?.conditions?.find(({ type, status: value }) => type === 'PodScheduled' && value === 'False');
    return condition === undefined ? undefined : `${condition.reason}: ${condition.message}`;
  }

  async close(): Promise<void> {
    this.stop.abort();
    await Promise.all([...this.running, this.server.stop()]);
  }
}
