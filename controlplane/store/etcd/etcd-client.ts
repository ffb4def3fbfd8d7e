/**
 * All members as one: picks one that answers, goes to the next when it does not, and never does a write twice.
 *
 * - A member that does not answer is left alone by callers until a look of our own has found it well again: so requests fail at once instead of
 *   queueing up for a member that is gone or stands still. A connection that was dropped is made anew at once.
 * - What only reads is tried at every member, and waits while a leader is elected, up to `READ_MS`. A write goes to another member only where it
 *   surely was not done; if nobody knows, it fails with `unknownOutcome`.
 */
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { Decoded } from '../../../proto/decoded.ts';
import { KVService } from '../../../proto/etcd/rpc.gen.ts';
import { StoreUnavailableError } from '../store.ts';
import type { Connection, Endpoint, UnaryMethod } from './endpoint.ts';
import { EtcdError, etcdError } from './etcd-error.ts';

/** All that a read may take, whatever happens. */
const READ_MS = 5_000;
/** What one member gets of it while there are others. */
const READ_ONCE_MS = 2_000;
const WRITE_MS = 5_000;
/** Between two tries while there is no leader. */
const PAUSE_MS = 50;
const PROBE_MS = 1_500;
const FIRST_PROBE_AFTER_MS = 100;
const LAST_PROBE_AFTER_MS = 1_000;

interface Member {
  readonly endpoint: Endpoint;
  /** Why it is left alone; undefined if it is well, as far as is known. */
  trouble: Error | undefined;
}

interface EtcdClientParts {
  readonly endpoints: readonly Endpoint[];
  /** Any key that may be read: it is asked for to see whether a member is well. */
  readonly probeKey: Buffer;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class EtcdClient {
  private readonly parts: EtcdClientParts;
  private readonly members: readonly Member[];
  private readonly stop = new AbortController();
  private readonly waiting = new Set<() => void>();
  private readonly writes = new Set<Promise<unknown>>();
  /** Index of the member that calls go to. */
  private current = 0;
  private clusterId: string | undefined;

  constructor(parts: EtcdClientParts) {
    this.parts = parts;
    this.members = parts.endpoints.map(endpoint => ({ endpoint, trouble: undefined }));
  }

  /** Aborts when the client is closed. */
  get closed(): AbortSignal {
    return this.stop.signal;
  }

  /** A call that changes nothing, or that may be done twice. @throws EtcdError for etcd's own answers; StoreUnavailableError */
  async read<Req, Res>(method: UnaryMethod<Req, Res>, request: Req): Promise<Decoded<Res>> {
    const { clock } = this.parts;
    const untilMs = clock.monotonicMs() + READ_MS;
    for (let last: Error | undefined; ;) {
      const leftMs = untilMs - clock.monotonicMs();
      const member = this.pick();
      if (member === undefined || leftMs <= 0) throw this.unreachable('asked', last);
      const again = last instanceof EtcdError && last.failure === 'dropped';
      try {
        const connection = await this.connect(member);
        const others = this.members.some(m => m !== member && m.trouble === undefined);
        return await member.endpoint.unary(
          connection,
          method,
          request,
          others ? Math.min(leftMs, READ_ONCE_MS) : leftMs,
        );
      } catch (error) {
        last = await this.afterFailure(member, error);
        // A member that drops one connection after the other is no better than one that is silent.
        if (again && last instanceof EtcdError && last.failure === 'dropped') this.leaveAlone(member, last);
      }
    }
  }

  /** A call that changes something. @throws EtcdError for etcd's own answers; StoreUnavailableError, `unknownOutcome` where it may have been done */
  write<Req, Res>(method: UnaryMethod<Req, Res>, request: Req): Promise<Decoded<Res>> {
    const done = this.writeOnce(method, request).finally(() => this.writes.delete(done));
    this.writes.add(done);
    return done;
  }

  private async writeOnce<Req, Res>(method: UnaryMethod<Req, Res>, request: Req): Promise<Decoded<Res>> {
    const { clock } = this.parts;
    const untilMs = clock.monotonicMs() + WRITE_MS;
    for (let last: Error | undefined; ;) {
      const leftMs = untilMs - clock.monotonicMs();
      const member = this.pick();
      if (member === undefined || leftMs <= 0) throw this.unreachable('written to', last);
      let connection: Connection;
      try {
        connection = await this.connect(member);
      } catch (error) {
        last = await this.afterFailure(member, error);
        continue;
      }
      try {
        return await member.endpoint.unary(connection, method, request, leftMs);
      } catch (error) {
        last = await this.afterFailure(member, error);
        if (!(last instanceof EtcdError) || last.failure !== 'notNow') throw unknownOutcome(member, last);
      }
    }
  }

  /** A member to open a stream at; waits until there is one. @returns undefined when `signal` aborts or the client is closed */
  async available(signal: AbortSignal): Promise<{ endpoint: Endpoint; connection: Connection } | undefined> {
    const ends = AbortSignal.any([signal, this.stop.signal]);
    while (!ends.aborted) {
      const member = this.pick();
      if (member === undefined) {
        await this.someMember(ends);
        continue;
      }
      try {
        return { endpoint: member.endpoint, connection: await this.connect(member) };
      } catch (error) {
        await this.afterFailure(member, error);
      }
    }
    return undefined;
  }

  /** A stream at `endpoint` broke or stands still. */
  suspect(endpoint: Endpoint, error: Error): void {
    const member = this.members.find(m => m.endpoint === endpoint);
    if (member !== undefined) this.leaveAlone(member, error);
  }

  /** Tries every member once. @returns what each said, in the endpoints' order */
  async meet(): Promise<(Connection['member'] | Error)[]> {
    const met = await Promise.allSettled(this.members.map(m => this.connect(m)));
    return met.map(m => (m.status === 'fulfilled' ? m.value.member : (m.reason as Error)));
  }

  /** Waits for writes under way; everything else ends. */
  async close(): Promise<void> {
    this.stop.abort();
    await Promise.allSettled(this.writes);
    for (const { endpoint } of this.members) endpoint.close();
    for (const wake of this.waiting) wake();
  }

  /** The member to ask: the same as last time, as long as it is well. */
  private pick(): Member | undefined {
    if (this.stop.signal.aborted) throw new StoreUnavailableError('closed', 'the store is closed');
    for (let i = 0; i < this.members.length; i++) {
      const at = (this.current + i) % this.members.length;
      if (this.members[at]?.trouble !== undefined) continue;
      this.current = at;
      return this.members[at];
    }
    return undefined;
  }

  private async connect({ endpoint }: Member): Promise<Connection> {
    const connection = await endpoint.connect();
    const { clusterId } = connection.member;
    this.clusterId ??= clusterId;
    if (clusterId === this.clusterId) return connection;
    throw new StoreUnavailableError(
      'foreign',
      `etcd at ${endpoint.url} belongs to cluster ${hex(clusterId)}, not ${hex(this.clusterId)} as the others or before; correct --etcd-servers, or, if etcd was restored, restart k8ts`,
    );
  }

  /** Leaves the member alone or waits a moment, as the failure asks for. @returns the error @throws what trying on cannot help */
  private async afterFailure(member: Member, error: unknown): Promise<Error> {
    if (error instanceof StoreUnavailableError) {
      this.leaveAlone(member, error);
      return error;
    }
    const failed = etcdError(error, member.endpoint.url);
    switch (failed.failure) {
      case 'dropped':
        return failed;
      case 'silent':
        this.leaveAlone(member, failed);
        return failed;
      case 'notNow':
        // Another member may know a leader.
        this.current = (this.members.indexOf(member) + 1) % this.members.length;
        await this.parts.clock.sleep(PAUSE_MS);
        return failed;
      case 'refused':
        throw failed.refusal ?? failed;
      default:
        throw failed;
    }
  }

  private leaveAlone(member: Member, error: Error): void {
    const isNew = member.trouble === undefined;
    member.trouble = error;
    if (!isNew || this.stop.signal.aborted) return;
    this.parts.logger.warn({ endpoint: member.endpoint.url, err: error }, 'etcd does not answer');
    void this.lookAfter(member);
  }

  /** Looks again and again until the member is well. */
  private async lookAfter(member: Member): Promise<void> {
    const { clock, logger, probeKey } = this.parts;
    const sinceMs = clock.monotonicMs();
    for (
      let waitMs = FIRST_PROBE_AFTER_MS;
      !this.stop.signal.aborted;
      waitMs = Math.min(waitMs * 2, LAST_PROBE_AFTER_MS)
    ) {
      try {
        await clock.sleep(waitMs, this.stop.signal);
        const connection = await this.connect(member);
        await member.endpoint.unary(connection, KVService.range, { key: probeKey, keysOnly: true }, PROBE_MS);
      } catch (error) {
        // Whoever refuses answers; a caller is told better than this log.
        const isWell = error instanceof EtcdError && !['dropped', 'silent', 'notNow'].includes(error.failure);
        if (!isWell) {
          if (!this.stop.signal.aborted) member.trouble = error as Error;
          continue;
        }
      }
      member.trouble = undefined;
      const seconds = Math.round(clock.monotonicMs() - sinceMs) / 1000;
      logger.info({ endpoint: member.endpoint.url, seconds }, 'etcd answers again');
      for (const wake of this.waiting) wake();
      return;
    }
  }

  private someMember(signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const wake = (): void => {
        this.waiting.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.waiting.add(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  }

  private unreachable(what: string, last: Error | undefined): StoreUnavailableError {
    const trouble = this.members.map(m => m.trouble).filter(error => error !== undefined);
    const told = trouble.find(error => error instanceof StoreUnavailableError);
    if (told !== undefined && trouble.length === this.members.length) return told;
    const why = [...new Set([...trouble, ...(last === undefined ? [] : [last])].map(error => error.message))].join(
      '; ',
    );
    return new StoreUnavailableError(
      'unreachable',
      `etcd cannot be ${what} now (${why}); check that it runs, has a leader, and that --etcd-servers names it`,
      last,
    );
  }
}

function unknownOutcome({ endpoint }: Member, error: Error): StoreUnavailableError {
  return new StoreUnavailableError(
    'unknownOutcome',
    `etcd gave no answer to a write, which may have happened or not (${error.message || endpoint.url}); read the object before trying again`,
    error,
  );
}

/** As etcdctl shows it. */
function hex(clusterId: string): string {
  return BigInt(clusterId === '' ? 0 : clusterId).toString(16);
}
