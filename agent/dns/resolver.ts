/**
 * One packet to one answer, whatever it came by.
 *
 * - What is known is answered at once, without a promise; only what others must be asked takes longer.
 * - Before services are known, cluster names get SERVFAIL, so that clients ask again instead of believing that a name does not exist.
 * - Never throws, and never answers with more than the client takes.
 */
import type { Clock } from '../../machinery/process/clock.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import { AnswerCache, personalAnswer } from './answer-cache.ts';
import type { DnsMetrics, Via } from './dns-metrics.ts';
import type { Forwarder } from './forwarder.ts';
import { answerQuestion } from './plan/answer-question.ts';
import { decodeQuery, optRecord, RCODES } from './plan/decode-query.ts';
import type { Query, Rcode } from './plan/decode-query.ts';
import { encodeMessage } from './plan/encode-message.ts';
import type { EncodedMessage } from './plan/encode-message.ts';
import { retarget } from './plan/encode-query.ts';
import { addressesOf, rcodeOf, truncatedResponse } from './plan/raw-response.ts';
import { parseZonePath, subjectOf } from './plan/zone-path.ts';
import type { ClusterRecords, ZoneOptions, ZoneRecord } from './plan/zone-records.ts';

export interface ResolverOptions {
  readonly zone: ZoneOptions;
  readonly records: ClusterRecords & { hasSynced(): boolean };
  /** What was known of the cluster before this process, while nothing better is. */
  readonly lastKnown?: (() => ClusterRecords | undefined) | undefined;
  readonly cache: AnswerCache;
  readonly forwarder: Pick<Forwarder, 'forward' | 'isLoopCheck'>;
  readonly metrics: DnsMetrics;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Said {
  readonly rcode: Rcode;
  readonly authoritative: boolean;
  readonly answers?: readonly ZoneRecord[];
  readonly authorities?: readonly ZoneRecord[];
  readonly additionals?: readonly ZoneRecord[];
}

const MAX_ALIASES = 8;
const MAX_WAITING = 10_000;
const MAX_TCP_BYTES = 65_535;
const FLAGS = { authoritative: 0x0400, recursionDesired: 0x0100, recursionAvailable: 0x0080, checkingDisabled: 0x0010 };
const RCODE_NAMES = Object.keys(RCODES);

export class Resolver {
  private readonly options: ResolverOptions;
  private waiting = 0;

  constructor(options: ResolverOptions) {
    this.options = options;
  }

  /** The answer to one packet; undefined if it deserves none. */
  answer(packet: Buffer, via: Via): Buffer | undefined | Promise<Buffer | undefined> {
    const { cache, metrics, clock, zone } = this.options;
    const startMs = clock.monotonicMs();
    const told = (reply: Buffer, type: string, of: string, rcode: string): Buffer => {
      const seconds = (clock.monotonicMs() - startMs) / 1000;
      metrics.answered(via, { type, zone: of, rcode, bytes: reply.length, seconds });
      return reply;
    };
    const key = AnswerCache.keyOf(packet, via.transport);
    const kept = key === undefined ? undefined : cache.get(key);
    if (kept !== undefined) {
      kept.uses++;
      metrics.cacheHit(zone.domain, kept.rcode !== 'NOERROR');
      return told(personalAnswer(kept, packet), kept.type, zone.domain, kept.rcode);
    }
    const decoded = decodeQuery(packet);
    if (decoded.kind === 'ignore') return undefined;
    if (decoded.kind === 'bad') return told(decoded.reply, 'other', '.', decoded.rcode);
    const { query } = decoded;
    const tellLater = (reply: Buffer, of: string): Buffer =>
      told(reply, query.type, of, RCODE_NAMES[rcodeOf(reply)] ?? String(rcodeOf(reply)));
    try {
      const reply = this.resolve(query, via, key);
      if (reply instanceof Promise) return this.later(reply, query, tellLater);
      return tellLater(
        reply,
        parseZonePath(query.name.toLowerCase(), zone.domain).kind === 'outside' ? '.' : zone.domain,
      );
    } catch (error) {
      return tellLater(this.failed(query, error), '.');
    }
  }

  private async later(
    reply: Promise<Buffer>,
    query: Query,
    tell: (reply: Buffer, of: string) => Buffer,
  ): Promise<Buffer | undefined> {
    if (this.waiting >= MAX_WAITING) {
      void reply.catch(() => {});
      return tell(encode(query, { rcode: 'SERVFAIL', authoritative: false }, MAX_TCP_BYTES).bytes, '.');
    }
    this.waiting++;
    try {
      return tell(await reply, '.');
    } catch (error) {
      return tell(this.failed(query, error), '.');
    } finally {
      this.waiting--;
    }
  }

  private resolve(query: Query, via: Via, key: string | undefined): Buffer | Promise<Buffer> {
    const { records, zone, forwarder, cache, metrics } = this.options;
    const maxBytes = via.transport === 'udp' ? query.udpBytes : MAX_TCP_BYTES;
    const aliases: ZoneRecord[] = [];
    let current = query;
    for (;;) {
      const path = parseZonePath(current.name.toLowerCase(), zone.domain);
      if (path.kind === 'outside') {
        if (forwarder.isLoopCheck(current.name))
          return encode(query, { rcode: 'REFUSED', authoritative: false }, maxBytes).bytes;
        return this.forward(query, current, aliases, maxBytes);
      }
      const isKnown = records.hasSynced();
      const known = isKnown ? records : this.options.lastKnown?.();
      const answer = known === undefined ? undefined : answerQuestion(current, path, known, zone);
      // What was not there may have come since.
      if (answer === undefined || (!isKnown && answer.kind === 'answer' && answer.rcode !== 'NOERROR'))
        return encode(query, { rcode: 'SERVFAIL', authoritative: false }, maxBytes).bytes;
      if (answer.kind === 'forward') return this.forward(query, current, aliases, maxBytes);
      if (answer.kind === 'answer') {
        const answers = [...aliases, ...answer.answers];
        const message = encode(query, { ...answer, answers, authoritative: true }, maxBytes);
        metrics.cacheMiss(zone.domain);
        // Cut short, the same few would be given to all who ask.
        if (key !== undefined && isKnown && !message.truncated) {
          const subject = aliases.length === 0 ? subjectOf(path) : '';
          cache.set(key, { message, subject, type: query.type, rcode: answer.rcode, uses: 0 });
        }
        return message.bytes;
      }
      aliases.push(answer.record);
      if (aliases.length > MAX_ALIASES)
        return encode(query, { rcode: 'SERVFAIL', authoritative: false }, maxBytes).bytes;
      current = retarget(query, answer.target);
    }
  }

  /** @param current what is asked now: the target of the last of `aliases`, or `query` itself */
  private forward(
    query: Query,
    current: Query,
    aliases: readonly ZoneRecord[],
    maxBytes: number,
  ): Buffer | Promise<Buffer> {
    const response = this.options.forwarder.forward(current);
    const finish = (bytes: Buffer | undefined): Buffer => {
      if (bytes === undefined)
        return encode(query, { rcode: 'SERVFAIL', authoritative: false, answers: aliases }, maxBytes).bytes;
      if (aliases.length === 0) {
        const opt = query.edns === undefined ? undefined : optRecord(query.edns.dnssecOk);
        return bytes.length > maxBytes ? truncatedResponse(bytes, opt) : bytes;
      }
      const rcode = (RCODE_NAMES[rcodeOf(bytes)] as Rcode | undefined) ?? 'SERVFAIL';
      const answers = [...aliases, ...addressesOf(bytes)];
      return encode(query, { rcode, authoritative: true, answers }, maxBytes).bytes;
    };
    return response instanceof Promise ? response.then(finish) : finish(response);
  }

  private failed(query: Query, error: unknown): Buffer {
    this.options.log.warn(
      { name: query.name, type: query.type, error: String(error) },
      'a question could not be answered',
    );
    return encode(query, { rcode: 'SERVFAIL', authoritative: false }, MAX_TCP_BYTES).bytes;
  }
}

function encode(query: Query, said: Said, maxBytes: number): EncodedMessage {
  const { answers = [], authorities = [], additionals = [] } = said;
  return encodeMessage({
    id: query.id,
    flags:
      (said.authoritative ? FLAGS.authoritative : 0) |
      (query.recursionDesired ? FLAGS.recursionDesired : 0) |
      (query.checkingDisabled ? FLAGS.checkingDisabled : 0) |
      FLAGS.recursionAvailable |
      RCODES[said.rcode],
    question: query.question,
    answers,
    authorities,
    additionals,
    edns: query.edns,
    maxBytes,
  });
}
