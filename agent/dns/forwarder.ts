/**
 * Asks other name servers what the cluster does not know: those of the host, or those that the cluster's administrator names.
 *
 * - The same question is asked once at a time, whoever waits for it. Bounded in what is under way and in what is kept.
 * - What is kept answers at once; what is kept too long answers those who would get none.
 * - Addresses of our own are never upstream.
 */
import { randomInt } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { Clock } from '../../machinery/process/clock.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import type { DnsMetrics } from './dns-metrics.ts';
import type { Query } from './plan/decode-query.ts';
import { encodeForward } from './plan/encode-query.ts';
import type { ForwardRules, Upstream } from './plan/forward-rules.ts';
import { serversFor } from './plan/forward-rules.ts';
import { isTruncated, parseRawResponse, rcodeOf, renewResponse, staleResponse } from './plan/raw-response.ts';
import type { RawResponse } from './plan/raw-response.ts';
import { upstreamsOf } from './plan/resolv-conf.ts';
import { MAX_FRESH_SECONDS, ResponseCache } from './response-cache.ts';
import { Upstreams } from './upstreams.ts';
import { exchange } from './upstream-exchange.ts';
import type { Exchange } from './upstream-exchange.ts';

export interface ForwarderOptions {
  /** The host's. */
  readonly resolvConf: string;
  /** Our own addresses. */
  readonly ownAddresses: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: DnsMetrics;
  readonly rules?: ForwardRules;
  readonly exchange?: Exchange;
  readonly maxInFlight?: number;
  readonly cacheBytes?: number;
}

const REREAD_MS = 5_000;
/** RFC 8767: whoever has an old answer need not wait for a new one longer than this. */
const STALE_AFTER_MS = 500;
const STALE_TTL_SECONDS = 5;
const SERVFAIL = 2;

export class Forwarder {
  private readonly options: ForwarderOptions;
  private readonly upstreams: Upstreams;
  private readonly underWay = new Map<string, Promise<RawResponse | undefined>>();
  private readonly cache: ResponseCache;
  private rules: ForwardRules;
  private hostServers: readonly Upstream[] = [];
  private fileAgeMs = -1;
  private readAtMs = -Infinity;

  constructor(options: ForwarderOptions) {
    this.options = options;
    this.rules = options.rules ?? { upstreams: undefined, stubDomains: new Map() };
    this.cache = new ResponseCache(options.clock, options.cacheBytes);
    this.upstreams = new Upstreams({ ...options, exchange: options.exchange ?? exchange });
  }

  /** Whom to ask from now on. */
  setRules(rules: ForwardRules): void {
    this.rules = rules;
    this.cache.clear();
    this.upstreams.retain([...this.hostServers, ...(rules.upstreams ?? []), ...[...rules.stubDomains.values()].flat()]);
  }

  get cachedAnswers(): number {
    return this.cache.size;
  }

  /** Whether that question is our own, come back from a server that should know better. */
  isLoopCheck(name: string): boolean {
    return this.upstreams.isLoopCheck(name);
  }

  /** The answer as bytes for that client, at once if it is kept; undefined if no server could be asked. */
  forward(query: Query): Buffer | Promise<Buffer | undefined> {
    const key = keyOf(query);
    const found = this.cache.find(key);
    const { metrics } = this.options;
    if (found?.kind === 'fresh') {
      metrics.cacheHit('.', found.response.isNegative);
      if (found.isWorn) {
        metrics.prefetched();
        void this.askOnce(key, query);
      }
      return renewResponse(found.response, query, found.ageSeconds);
    }
    metrics.cacheMiss('.');
    return this.wait(query, this.askOnce(key, query), found?.response);
  }

  private async wait(
    query: Query,
    asked: Promise<RawResponse | undefined>,
    stale: RawResponse | undefined,
  ): Promise<Buffer | undefined> {
    const answer = await (stale === undefined ? asked : Promise.race([asked, this.patience()]));
    if (answer !== undefined && (stale === undefined || rcodeOf(answer.bytes) !== SERVFAIL))
      return renewResponse(answer, query, 0);
    if (stale === undefined) return undefined;
    this.options.metrics.servedStale();
    return staleResponse(stale, query, STALE_TTL_SECONDS);
  }

  private patience(): Promise<undefined> {
    return new Promise(resolve => this.options.clock.after(STALE_AFTER_MS, () => resolve(undefined)));
  }

  private askOnce(key: string, query: Query): Promise<RawResponse | undefined> {
    const before = this.underWay.get(key);
    if (before !== undefined) return before;
    if (this.underWay.size >= (this.options.maxInFlight ?? 1_000)) {
      this.options.metrics.forwardRejected();
      return Promise.resolve(undefined);
    }
    const asked = this.ask(query)
      .then(response => {
        if (response !== undefined) this.cache.keep(key, response);
        return response;
      })
      .finally(() => this.underWay.delete(key));
    this.underWay.set(key, asked);
    return asked;
  }

  private async ask(query: Query): Promise<RawResponse | undefined> {
    const servers = serversFor(query.name.toLowerCase(), this.rules) ?? (await this.findHostServers());
    const bytes = await this.upstreams.ask(servers, encodeForward(randomInt(0x10000), query));
    return bytes === undefined ? undefined : parseRawResponse(bytes, isTruncated(bytes) ? 0 : MAX_FRESH_SECONDS);
  }

  /** The file is looked at again when a question comes, not by the clock. */
  private async findHostServers(): Promise<readonly Upstream[]> {
    const { resolvConf, ownAddresses, clock, log } = this.options;
    if (clock.monotonicMs() - this.readAtMs < REREAD_MS) return this.hostServers;
    this.readAtMs = clock.monotonicMs();
    try {
      const { mtimeMs } = await stat(resolvConf);
      if (mtimeMs === this.fileAgeMs) return this.hostServers;
      const text = await readFile(resolvConf, 'utf8');
      this.hostServers = upstreamsOf(text, ownAddresses).map(address => ({ address, port: 53 }));
      this.fileAgeMs = mtimeMs;
    } catch (error) {
      log.warn({ file: resolvConf, error: String(error) }, 'the host’s name servers could not be read');
    }
    return this.hostServers;
  }
}

/** What an answer depends on; names that differ in case alone have the same. */
function keyOf({ question, edns, checkingDisabled }: Query): string {
  const flags = (edns === undefined ? 0 : edns.dnssecOk ? 2 : 1) + (checkingDisabled ? 4 : 0);
  return `${flags}${question.toString('latin1').toLowerCase()}`;
}
