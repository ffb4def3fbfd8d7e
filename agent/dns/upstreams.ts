/**
 * The servers that are asked what the cluster does not know, and how each has been of late.
 *
 * - Health is learnt from what is asked anyway: nothing is sent while nobody asks. A server that did not answer in time is asked last, and
 *   once a second alongside another, until it answers again.
 * - A server that asks us back what we ask it (its own upstream is the cluster's DNS) is found out by a name that nobody else knows,
 *   asked once when the server is first used and then every minute; it is left out while that is so.
 */
import { randomBytes, randomInt } from 'node:crypto';
import type { Clock } from '../../machinery/process/clock.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import type { DnsMetrics } from './dns-metrics.ts';
import { chooseUpstreams } from './plan/choose-upstreams.ts';
import type { Attempt, UpstreamView } from './plan/choose-upstreams.ts';
import { encodeQuery } from './plan/encode-query.ts';
import type { Upstream } from './plan/forward-rules.ts';
import { isTruncated, parseRawResponse, rcodeOf } from './plan/raw-response.ts';
import { addressText } from './upstream-exchange.ts';
import type { Exchange } from './upstream-exchange.ts';

export interface UpstreamsOptions {
  readonly exchange: Exchange;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: DnsMetrics;
}

const SERVFAIL = 2;
const REFUSED = 5;
const LOOP_CHECK_MS = 60_000;
const SMOOTHING = 0.3;

interface UpstreamState extends UpstreamView {
  readonly server: Upstream;
  isSilent: boolean;
  isLoop: boolean;
  /** It did not answer at all, and that was said. */
  isAway: boolean;
  usualMs: number | undefined;
  askedAtMs: number;
  loopCheckedAtMs: number;
}

export class Upstreams {
  private readonly options: UpstreamsOptions;
  private readonly states = new Map<string, UpstreamState>();
  private readonly loopNames = new Map<string, UpstreamState>();

  constructor(options: UpstreamsOptions) {
    this.options = options;
  }

  /**
   * The first good answer to `query` of one of `servers`; if none has one, one that says refusal or failure, or that was cut short.
   * @returns undefined if no server answered in time
   */
  ask(servers: readonly Upstream[], query: Buffer): Promise<Buffer | undefined> {
    const { clock } = this.options;
    const states = servers.map(server => this.stateOf(server));
    for (const state of states) this.checkLoop(state);
    const { attempts, deadlineMs } = chooseUpstreams(states, clock.monotonicMs());
    return this.race(attempts, query, deadlineMs);
  }

  /** Whether the name is one by which we look for loops; then the loop is known from now on. */
  isLoopCheck(name: string): boolean {
    const state = this.loopNames.get(name.toLowerCase());
    if (state === undefined) return false;
    if (!state.isLoop) {
      const upstream = addressText(state.server);
      this.options.log.error(
        { upstream },
        `name server ${upstream} asks cluster DNS what cluster DNS asks it: it is not used; name another one in the host's resolv.conf, or in the upstreamNameservers of ConfigMap kube-system/kube-dns`,
      );
    }
    state.isLoop = true;
    return true;
  }

  /** Forgets servers that are asked no more. */
  retain(servers: readonly Upstream[]): void {
    const wanted = new Set(servers.map(addressText));
    for (const key of this.states.keys()) if (!wanted.has(key)) this.states.delete(key);
  }

  private race(
    attempts: readonly Attempt<UpstreamState>[],
    query: Buffer,
    deadlineMs: number,
  ): Promise<Buffer | undefined> {
    const { clock } = this.options;
    return new Promise(resolve => {
      const waiting = new Set<UpstreamState>();
      /** Those that had their say, and are not asked again. */
      const heard = new Set<UpstreamState>();
      const left = [...attempts];
      let secondBest: Buffer | undefined;
      let cancelNext = (): void => {};
      const finish = (answer: Buffer | undefined): void => {
        cancelNext();
        cancelDeadline();
        left.length = 0;
        // Asked before the one that answered, and slower than it, or away: asked last until it answers.
        for (const state of waiting) state.isSilent = true;
        resolve(answer);
      };
      const nextAttempt = (): Attempt<UpstreamState> | undefined => {
        while (left[0] !== undefined && heard.has(left[0].upstream)) left.shift();
        return left[0];
      };
      const heardOf = (upstream: UpstreamState, answer: Buffer | undefined): void => {
        waiting.delete(upstream);
        heard.add(upstream);
        const isGood = answer !== undefined && !isTruncated(answer) && ![SERVFAIL, REFUSED].includes(rcodeOf(answer));
        if (isGood) return finish(answer);
        secondBest ??= answer;
        const next = nextAttempt();
        if (next !== undefined && !waiting.has(next.upstream)) start();
        else if (waiting.size === 0) finish(secondBest);
      };
      const start = (): void => {
        cancelNext();
        const attempt = nextAttempt();
        if (attempt === undefined) return;
        left.shift();
        const { upstream } = attempt;
        waiting.add(upstream);
        this.askOne(upstream, query, deadlineMs).then(
          answer => heardOf(upstream, answer),
          () => heardOf(upstream, undefined),
        );
        const following = nextAttempt();
        if (following?.afterMs === 0) start();
        else if (following !== undefined) cancelNext = clock.after(following.afterMs, start);
      };
      const cancelDeadline = clock.after(deadlineMs, () => finish(secondBest));
      if (attempts.length === 0) finish(undefined);
      else start();
    });
  }

  /** @throws Error if it does not answer, or what it says cannot be read */
  private async askOne(state: UpstreamState, query: Buffer, timeoutMs: number): Promise<Buffer> {
    const { exchange, clock, metrics } = this.options;
    const startMs = clock.monotonicMs();
    state.askedAtMs = startMs;
    const to = addressText(state.server);
    try {
      const answer = await exchange(state.server, query, timeoutMs);
      if (parseRawResponse(answer, 0) === undefined) throw new Error('the answer cannot be read');
      const tookMs = clock.monotonicMs() - startMs;
      state.usualMs = state.usualMs === undefined ? tookMs : state.usualMs + SMOOTHING * (tookMs - state.usualMs);
      if (state.isAway) this.options.log.info({ upstream: to }, 'a name server answers again');
      Object.assign(state, { isSilent: false, isAway: false });
      metrics.forwarded(to, rcodeOf(answer), tookMs / 1000);
      return answer;
    } catch (error) {
      metrics.forwardFailed(to);
      if (!state.isAway) this.options.log.warn({ upstream: to, error: String(error) }, 'a name server did not answer');
      Object.assign(state, { isSilent: true, isAway: true });
      throw error;
    }
  }

  private checkLoop(state: UpstreamState): void {
    const { clock, exchange } = this.options;
    if (clock.monotonicMs() - state.loopCheckedAtMs < LOOP_CHECK_MS) return;
    state.loopCheckedAtMs = clock.monotonicMs();
    // Under no domain that any server keeps to itself.
    const name = `${randomBytes(8).toString('hex')}.${randomBytes(8).toString('hex')}`;
    const wasLoop = state.isLoop;
    this.loopNames.set(name, state);
    exchange(state.server, encodeQuery(randomInt(0x10000), name, 'HINFO'), 2_000)
      .then(
        answer => {
          // It answered by itself, so it does not ask us any more.
          if (wasLoop && rcodeOf(answer) !== REFUSED) state.isLoop = false;
        },
        () => {},
      )
      .finally(() => this.loopNames.delete(name));
  }

  private stateOf(server: Upstream): UpstreamState {
    const key = addressText(server);
    let state = this.states.get(key);
    if (state === undefined) {
      state = {
        server,
        isSilent: false,
        isLoop: false,
        isAway: false,
        usualMs: undefined,
        askedAtMs: -Infinity,
        loopCheckedAtMs: -Infinity,
      };
      this.states.set(key, state);
    }
    return state;
  }
}
