/**
 * Container starts and exits as they happen, without polling: CRI's GetContainerEvents where the runtime has it, else
 * containerd's own events on the same socket, else (neither is there) a gap now and
 * then, at which the consumer relists: `relistDelayMs` says when.
 *
 * - `gap` comes once the stream stands, so a consumer that lists at each gap and applies what follows has missed nothing.
 * - An exit may be told some milliseconds before CRI's own status shows it: containerd's CRI part hears of exits by the same events as we
 *   do. Whoever needs the status asks until it fits.
 * - A broken stream is opened again, soon at first, then every `MAX_RETRY_MS`; no gap is told while the runtime is away.
 * - Which way works is found anew at each connection: the runtime may have been replaced by another version.
 */
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Component } from '../../../machinery/process/component.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { Decoded } from '../../../proto/decoded.ts';
import { EventsService, type Envelope, type SubscribeRequest } from '../../../proto/cri/containerd-events.gen.ts';
import type { ContainerEventResponse } from '../../../proto/cri/runtime.gen.ts';
import { fromContainerdEvent, fromCriEvent, type ContainerEvent, type GapEvent } from './container-event.ts';
import type { GrpcMethod, StreamOptions } from './grpc-channel.ts';
import { isUnavailable, isUnimplemented } from './runtime-error.ts';
import type { RuntimeCallOptions } from './runtime-service.ts';

/** How events reach us. */
export type EventSource = 'cri' | 'containerd' | 'relist';

/** What ContainerEvents needs of a client; CriClient has it. */
export interface EventClient {
  version(options?: RuntimeCallOptions): Promise<unknown>;
  containerEvents(options: StreamOptions): AsyncIterable<Decoded<ContainerEventResponse>>;
  stream<Req, Res>(method: GrpcMethod<Req, Res>, request: Req, options: StreamOptions): AsyncIterable<Decoded<Res>>;
}

/** What it is made from. */
export interface ContainerEventsOptions {
  readonly client: EventClient;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called in order, never while an earlier call runs; must not throw. */
  readonly onEvent: (event: ContainerEvent | GapEvent) => void;
  /** For a runtime without events: milliseconds from one gap to the next. */
  readonly relistDelayMs: () => number;
}

const SOURCES: readonly EventSource[] = ['cri', 'containerd', 'relist'];
const MIN_RETRY_MS = 50;
const MAX_RETRY_MS = 1_000;
/** containerd's namespace of everything that came through CRI. */
const CRI_NAMESPACE = 'k8s.io';
const TOPICS = ['/tasks/start', '/tasks/exit', '/tasks/oom', '/containers/delete'];

export class ContainerEvents implements Component {
  readonly name = 'container-events';
  private readonly options: ContainerEventsOptions;
  private readonly firstGap: Promise<void>;
  private resolveFirstGap: () => void = () => {};
  private current: EventSource | undefined;

  constructor(options: ContainerEventsOptions) {
    this.options = options;
    this.firstGap = new Promise(resolve => (this.resolveFirstGap = resolve));
  }

  /** The way in use; undefined while there is no connection. */
  get source(): EventSource | undefined {
    return this.current;
  }

  /** Resolves at the first gap. */
  ready(): Promise<void> {
    return this.firstGap;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.options;
    let retryMs = MIN_RETRY_MS;
    while (!signal.aborted) {
      try {
        const lived = await this.listen(signal);
        if (lived) retryMs = MIN_RETRY_MS;
      } catch (error) {
        if (signal.aborted) return;
        const fields = { error, retryMs };
        if (isUnavailable(error)) logger.debug(fields, 'Container runtime is away; listening again later');
        else logger.warn(fields, 'Container events broke off; listening again later');
      }
      await clock.sleep(retryMs, signal).catch(() => undefined);
      retryMs = Math.min(retryMs * 2, MAX_RETRY_MS);
    }
  }

  /** Listens in the best way there is until it breaks; tells whether the stream stood. */
  private async listen(signal: AbortSignal): Promise<boolean> {
    for (const source of SOURCES) {
      try {
        return await this.listenTo(source, signal);
      } catch (error) {
        if (!isUnimplemented(error)) throw error;
      }
    }
    return false;
  }

  private async listenTo(source: EventSource, signal: AbortSignal): Promise<boolean> {
    const stop = new AbortController();
    const linked = AbortSignal.any([signal, stop.signal]);
    let lived = false;
    // The request for events left before these calls do, so their answers say that the stream stands; two of them, because a
    // refusal ("unimplemented") can come a little after the first answer.
    const { client } = this.options;
    const announced = (async () => {
      await client.version({ signal: linked });
      await client.version({ signal: linked });
      if (linked.aborted) return;
      lived = true;
      this.current = source;
      this.options.onEvent({ kind: 'gap' });
      this.resolveFirstGap();
      this.options.logger.info({ source }, 'Listening to container events');
    })();
    announced.catch(() => undefined);
    try {
      for await (const event of this.open(source, linked)) this.options.onEvent(event);
      return lived;
    } catch (error) {
      if (isUnimplemented(error) || !lived || signal.aborted) throw error;
      this.options.logger.info({ error }, 'Container events broke off');
      return true;
    } finally {
      this.current = undefined;
      stop.abort();
      await announced.catch(() => undefined);
    }
  }

  private async *open(source: EventSource, signal: AbortSignal): AsyncGenerator<ContainerEvent | GapEvent> {
    switch (source) {
      case 'cri':
        for await (const message of this.options.client.containerEvents({ signal })) {
          const event = fromCriEvent(message);
          if (event !== undefined) yield event;
        }
        return;
      case 'containerd': {
        const filters = TOPICS.map(topic => `topic=="${topic}",namespace==${CRI_NAMESPACE}`);
        const stream = this.options.client.stream<SubscribeRequest, Envelope>(
          EventsService.subscribe,
          { filters },
          { signal, metadata: { 'containerd-namespace': CRI_NAMESPACE } },
        );
        for await (const message of stream) {
          const event = fromContainerdEvent(message);
          if (event !== undefined) yield event;
        }
        return;
      }
      case 'relist':
        for (;;) {
          await this.options.clock.sleep(this.options.relistDelayMs(), signal);
          await this.options.client.version({ signal });
          yield { kind: 'gap' };
        }
    }
  }
}
