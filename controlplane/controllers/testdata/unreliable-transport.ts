/**
 * The way from one run of a controller to the API server, with what goes wrong on it: calls that do not arrive, answers that get lost, a
 * process that is killed with calls under way, and watches that lag behind or break.
 */
import type { ApiRequest, Transport, WatchEvent } from '../../../machinery/client/transport.ts';
import { expired, serviceUnavailable, timeout } from '../../../machinery/meta/status-error.ts';

/** `refused`: nothing happened. `lost`: it happened, and the caller does not know. */
export type Fault = 'refused' | 'lost';

/** One call and how it went; `answer` is there when the server answered, whether the caller heard of it or not. */
export interface Call {
  readonly method: ApiRequest['method'];
  readonly path: string;
  readonly body: unknown;
  answer?: unknown;
  error?: unknown;
  fault?: Fault | undefined;
}

export interface CallObserver {
  /** The server has answered, or would not. Awaited before the caller hears of it. */
  answered?(call: Call): void | Promise<void>;
}

export class UnreliableTransport implements Transport {
  /** Calls that are under way. */
  inFlight = 0;
  /** Faults of the calls to come, in order; undefined: none. */
  readonly faults: (Fault | undefined)[] = [];
  private readonly server: Transport;
  private readonly log: Call[];
  private readonly observer: CallObserver;
  /** Rejects when the process is killed. */
  private readonly killed: Promise<never>;
  /** As `kill -9` does: what is under way arrives, no answer comes back. */
  readonly kill: (reason: Error) => void;
  private readonly held = new Set<string>();
  private release: () => void = () => undefined;
  private released: Promise<void> = Promise.resolve();
  private breakWatches = new AbortController();

  /** @param log gets every call, watches apart */
  constructor(server: Transport, log: Call[], observer: CallObserver) {
    this.server = server;
    this.log = log;
    this.observer = observer;
    let kill: (reason: Error) => void = () => undefined;
    this.killed = new Promise((_resolve, reject) => (kill = reject));
    this.killed.catch(() => undefined);
    this.kill = kill;
  }

  call(request: ApiRequest): Promise<unknown> {
    return this.callTo(this.server, request);
  }

  /** The same way for somebody else. @param server the server as it knows that one */
  as(server: Transport): Transport {
    return {
      call: request => this.callTo(server, request),
      watch: request => this.watch(request),
      close: () => server.close(),
    };
  }

  private async callTo(server: Transport, request: ApiRequest): Promise<unknown> {
    const { method, path, body } = request;
    const call: Call = { method, path, body, fault: this.faults.shift() };
    this.log.push(call);
    this.inFlight++;
    const answer = this.carry(server, call, request).finally(() => this.inFlight--);
    return Promise.race([answer, this.killed]);
  }

  /** A call that is neither counted nor goes wrong. */
  past(request: ApiRequest): Promise<unknown> {
    return this.server.call(request);
  }

  private async carry(server: Transport, call: Call, request: ApiRequest): Promise<unknown> {
    if (call.fault === 'refused') throw (call.error = serviceUnavailable('connection refused'));
    try {
      // What was sent arrives, also when the sender is gone meanwhile.
      call.answer = await server.call({ ...request, signal: undefined });
    } catch (error) {
      call.error = error;
    }
    await this.observer.answered?.(call);
    if (call.fault === 'lost') throw timeout('the answer got lost');
    if (call.error !== undefined) throw call.error;
    return call.answer;
  }

  async *watch(request: ApiRequest): AsyncIterable<WatchEvent> {
    const broken = this.breakWatches.signal;
    const resource = request.path.split('/').at(-1) ?? '';
    const signal = AbortSignal.any([broken, ...(request.signal === undefined ? [] : [request.signal])]);
    try {
      for await (const event of this.server.watch({ ...request, signal })) {
        while (this.held.has(resource) && !signal.aborted) await this.released;
        yield event;
      }
    } catch (error) {
      if (!broken.aborted) throw error;
    }
    if (broken.aborted) throw expired('too old resource version');
  }

  close(): Promise<void> {
    return this.server.close();
  }

  /** From now on nothing comes through watches of that resource (`pods`), until `letGo`. */
  hold(resource: string): void {
    if (this.held.size === 0) this.released = new Promise(resolve => (this.release = resolve));
    this.held.add(resource);
  }

  letGo(): void {
    this.held.clear();
    this.release();
  }

  /** All watches end, and what was to come through them is not there any more: lists have to be made anew. */
  expire(): void {
    const { breakWatches } = this;
    this.breakWatches = new AbortController();
    breakWatches.abort();
    this.letGo();
  }
}
