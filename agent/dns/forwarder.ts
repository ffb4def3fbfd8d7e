/**
 * Asks the host's own name servers what the cluster does not know.
 *
 * - The same question is asked once at a time, whoever waits for it; that also ends loops: a question that comes back to us finds
 *   itself under way and waits for itself until its time is over, without a second packet.
 * - Bounded in what is under way and in what is kept. Servers that did not answer are asked last for a while.
 * - Addresses of our own are never upstream.
 */
import { randomInt } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../machinery/process/clock.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import { encodeForward } from './dns-message.ts';
import type { Query } from './dns-message.ts';
import { parseRawResponse, renewResponse } from './plan/raw-response.ts';
import type { RawResponse } from './plan/raw-response.ts';
import { upstreamsOf } from './plan/resolv-conf.ts';
import { exchange } from './upstream-exchange.ts';
import type { Exchange, Upstream } from './upstream-exchange.ts';

export interface ForwarderOptions {
  /** The host's, or fixed servers. */
  readonly upstreams: { readonly resolvConf: string } | readonly Upstream[];
  /** Our own addresses. */
  readonly ownAddresses: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly exchange?: Exchange;
  readonly maxInFlight?: number;
  readonly cacheBytes?: number;
}

const TRY_MS = 1_500;
const MAX_CACHE_SECONDS = 30;
const AVOID_MS = 10_000;
const REREAD_MS = 5_000;

interface Kept {
  readonly response: RawResponse;
  readonly atMs: number;
}

export class Forwarder {
  private readonly options: ForwarderOptions;
  private readonly exchange: Exchange;
  private readonly underWay = new Map<string, Promise<Kept | undefined>>();
  private readonly cache: LRUCache<string, Kept>;
  private readonly avoidUntilMs = new Map<string, number>();
  private upstreams: readonly Upstream[] = [];
  private fileAgeMs = -1;
  private readAtMs = -Infinity;

  constructor(options: ForwarderOptions) {
    this.options = options;
    this.exchange = options.exchange ?? exchange;
    this.cache = new LRUCache({
      maxSize: options.cacheBytes ?? 1024 * 1024,
      sizeCalculation: ({ response }) => response.bytes.length + 200,
    });
  }

  /** The answer as bytes with the query's id; undefined if no server could be asked. */
  async forward(query: Query): Promise<Buffer | undefined> {
    const { clock } = this.options;
    const key = `${query.name} ${query.type} ${query.edns?.dnssecOk ?? ''} ${query.checkingDisabled}`;
    const kept = this.cache.get(key);
    if (kept !== undefined) {
      const ageSeconds = Math.floor((clock.monotonicMs() - kept.atMs) / 1000);
      if (ageSeconds < kept.response.ttlSeconds) return renewResponse(kept.response, query.id, ageSeconds);
      this.cache.delete(key);
    }
    let asked = this.underWay.get(key);
    if (asked === undefined) {
      if (this.underWay.size >= (this.options.maxInFlight ?? 1_000)) return undefined;
      asked = this.ask(query).finally(() => this.underWay.delete(key));
      this.underWay.set(key, asked);
    }
    const answer = await asked;
    if (answer === undefined) return undefined;
    if (answer.response.ttlSeconds > 0) this.cache.set(key, answer);
    return renewResponse(answer.response, query.id, 0);
  }

  private async ask(query: Query): Promise<Kept | undefined> {
    const { clock, log } = this.options;
    const upstreams = await this.findUpstreams();
    const nowMs = clock.monotonicMs();
    const isAvoided = (upstream: Upstream): number => Number((this.avoidUntilMs.get(upstream.address) ?? 0) > nowMs);
    let refused: Kept | undefined;
    for (const upstream of [...upstreams].sort((a, b) => isAvoided(a) - isAvoided(b))) {
      try {
        const bytes = await this.exchange(upstream, encodeForward(randomInt(0x10000), query), TRY_MS);
        const response = parseRawResponse(bytes, MAX_CACHE_SECONDS);
        if (response === undefined) throw new Error('the answer cannot be read');
        this.avoidUntilMs.delete(upstream.address);
        const kept = { response, atMs: clock.monotonicMs() };
        const rcode = (bytes[3] ?? 0) & 0x0f;
        // Server failure or refusal: another server may know better.
        if (rcode !== 2 && rcode !== 5) return kept;
        refused = kept;
      } catch (error) {
        if (isAvoided(upstream) === 0)
          log.warn({ upstream: upstream.address, error: String(error) }, 'a name server did not answer');
        this.avoidUntilMs.set(upstream.address, clock.monotonicMs() + AVOID_MS);
      }
    }
    return refused;
  }

  /** The file is looked at again when a question comes, not by the clock. */
  private async findUpstreams(): Promise<readonly Upstream[]> {
    const { upstreams, ownAddresses, clock, log } = this.options;
    if (!('resolvConf' in upstreams)) return upstreams;
    if (clock.monotonicMs() - this.readAtMs < REREAD_MS) return this.upstreams;
    this.readAtMs = clock.monotonicMs();
    try {
      const { mtimeMs } = await stat(upstreams.resolvConf);
      if (mtimeMs === this.fileAgeMs) return this.upstreams;
      const text = await readFile(upstreams.resolvConf, 'utf8');
      this.upstreams = upstreamsOf(text, ownAddresses).map(address => ({ address, port: 53 }));
      this.fileAgeMs = mtimeMs;
    } catch (error) {
      log.warn({ file: upstreams.resolvConf, error: String(error) }, 'the host’s name servers could not be read');
    }
    return this.upstreams;
  }
}
