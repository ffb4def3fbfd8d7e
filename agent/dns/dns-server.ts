/**
 * Cluster DNS, on every node.
 *
 * The node itself holds the cluster's DNS service addresses (agent/network, ServiceRange), and this server answers there: pods, pods on
 * the host network and host processes reach it over the same address without any rule or hop in between, and it keeps answering while
 * the API server or another node is away. As long as the Service with that address has no endpoints, the proxy leaves the address alone
 * (NodeModel.localServiceIPs); see DnsHandover for the rest.
 *
 * - Ready when it is bound and services are known.
 */
import type { Socket } from 'node:dgram';
import { aborted } from '../../machinery/process/aborted.ts';
import type { Clock } from '../../machinery/process/clock.ts';
import type { Component } from '../../machinery/process/component.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import { AnswerCache } from './answer-cache.ts';
import type { DnsMetrics } from './dns-metrics.ts';
import type { Forwarder } from './forwarder.ts';
import type { ListerRecords } from './lister-records.ts';
import type { RecordKeeper } from './record-keeper.ts';
import type { ZoneOptions } from './plan/zone-records.ts';
import { programmingSeconds } from './plan/programming-seconds.ts';
import { Resolver } from './resolver.ts';
import { listenTcp } from './tcp-listener.ts';
import type { TcpListener } from './tcp-listener.ts';
import { listenUdp } from './udp-listener.ts';
import type { ListenAddress } from './udp-listener.ts';

export interface DnsServerOptions {
  /** Where to answer; the port is 53 unless for tests. */
  readonly listen: readonly ListenAddress[];
  readonly zone: ZoneOptions;
  readonly records: ListerRecords;
  /** Keeps them for bad days. */
  readonly keeper?: RecordKeeper | undefined;
  readonly forwarder: Forwarder;
  readonly metrics: DnsMetrics;
  readonly clock: Clock;
  readonly log: Logger;
}

export class DnsServer implements Component {
  readonly name = 'dns';
  private readonly options: DnsServerOptions;
  private readonly cache = new AnswerCache();
  private readonly resolver: Resolver;
  private readonly isReady: Promise<void>;
  private readonly settleReady: { resolve: () => void; reject: (error: unknown) => void };
  private isListening = false;

  constructor(options: DnsServerOptions) {
    this.options = options;
    this.resolver = new Resolver({ ...options, cache: this.cache, lastKnown: () => options.keeper?.lastKnown() });
    let settle: { resolve: () => void; reject: (error: unknown) => void } | undefined;
    this.isReady = new Promise((resolve, reject) => (settle = { resolve, reject }));
    this.isReady.catch(() => {});
    this.settleReady = settle ?? { resolve: () => {}, reject: () => {} };
  }

  ready(): Promise<void> {
    return this.isReady;
  }

  /** Whether it answers, and for the cluster's names too. */
  canAnswer(): boolean {
    return this.isListening && this.options.records.hasSynced();
  }

  /** Sets the gauges; before a scrape. */
  measure(): void {
    const { metrics, zone, forwarder } = this.options;
    metrics.cacheHolds(zone.domain, this.cache.size);
    metrics.cacheHolds('.', forwarder.cachedAnswers);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { listen, records, keeper, metrics, clock, log } = this.options;
    const kept = keeper?.run(signal);
    const udp: Socket[] = [];
    const tcp: TcpListener[] = [];
    const unfollow = records.follow({
      changed: service => this.cache.changed(service),
      headless: slice => {
        const seconds = programmingSeconds(slice, clock.now());
        if (seconds !== undefined) metrics.programmed(seconds);
      },
    });
    try {
      for (const at of listen) {
        udp.push(await listenUdp(at, this.resolver.answer.bind(this.resolver), log));
        tcp.push(await listenTcp(at, this.resolver.answer.bind(this.resolver), log));
      }
      this.isListening = true;
      records.synced().then(this.settleReady.resolve, this.settleReady.reject);
      await aborted(signal);
    } catch (error) {
      this.settleReady.reject(error);
      throw error;
    } finally {
      this.isListening = false;
      unfollow();
      if (signal.aborted) await kept;
      for (const socket of udp) socket.close();
      await Promise.all(tcp.map(listener => listener.close()));
      this.settleReady.reject(signal.reason ?? new Error('cluster DNS stopped'));
    }
  }
}
