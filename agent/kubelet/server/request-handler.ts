/**
 * Every request's way, on whatever port it came: counted, let in, routed, answered. Nothing that a request does reaches beyond it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { errorText } from '../../../machinery/meta/error-text.ts';
import { StatusError } from '../../../machinery/meta/status-error.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import { RuntimeError } from '../runtime/runtime-error.ts';
import { HttpError, readExchange, responseOn, sendText, type Exchange } from './exchange.ts';
import type { HttpMetrics, ServerType } from './http-metrics.ts';
import { PodAccessError } from './pod-access.ts';
import { routePath, type Route } from './route.ts';

export interface RequestHandlerOptions {
  readonly routes: readonly Route[];
  readonly serverType: ServerType;
  /** Lets in, or throws HttpError; undefined: everybody is let in. */
  readonly permit?: (exchange: Exchange) => Promise<void>;
  readonly metrics: HttpMetrics;
  readonly logger: Logger;
}

const ACCESS_CODES = { podNotFound: 404, containerNotFound: 404, containerNotReady: 400 } as const;

export class RequestHandler {
  private readonly options: RequestHandlerOptions;
  private readonly routes: ReadonlyMap<string, Route>;
  /** Requests that run, and connections that were taken over. */
  private readonly running = new Set<AbortController>();
  private readonly upgraded = new Set<Socket>();

  constructor(options: RequestHandlerOptions) {
    this.options = options;
    this.routes = new Map(options.routes.map(route => [route.path, route]));
  }

  /** Requests that still run are told to end. */
  stop(): void {
    for (const controller of this.running) controller.abort();
    for (const socket of this.upgraded) socket.destroy();
  }

  onRequest(request: IncomingMessage, response: ServerResponse): void {
    void this.answer(request, response);
  }

  onUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    this.upgraded.add(socket);
    socket.once('close', () => this.upgraded.delete(socket));
    void this.answer(request, responseOn(request, socket), { socket, head });
  }

  private async answer(
    request: IncomingMessage,
    response: ServerResponse,
    upgrade?: { socket: Socket; head: Buffer },
  ): Promise<void> {
    const gone = new AbortController();
    this.running.add(gone);
    (upgrade?.socket ?? response).once('close', () => gone.abort());
    let done: (() => void) | undefined;
    try {
      const exchange = readExchange(request, response, upgrade, gone.signal);
      const path = routePath(exchange.segments);
      const route = this.routes.get(path);
      const { metrics, serverType, permit } = this.options;
      done = metrics.begin(request.method ?? '', route === undefined ? 'other' : path, serverType);
      await permit?.(exchange);
      if (route === undefined) throw new HttpError(404, '404 page not found');
      if (!route.methods.includes(request.method ?? ''))
        throw new HttpError(405, 'Method Not Allowed', { allow: route.methods.join(', ') });
      await route.handle(exchange);
    } catch (error) {
      if (!gone.signal.aborted) this.refuse(response, error);
    } finally {
      this.running.delete(gone);
      done?.();
    }
  }

  private refuse(response: ServerResponse, error: unknown): void {
    const { code, message, headers } = this.answerTo(error);
    // The client sees that it did not get everything.
    if (response.headersSent) response.destroy();
    else {
      for (const [name, value] of Object.entries(headers ?? {})) response.setHeader(name, value);
      sendText(response, code, `${message}\n`);
    }
  }

  private answerTo(error: unknown): { code: number; message: string; headers?: Readonly<Record<string, string>> } {
    if (error instanceof HttpError) return error;
    if (error instanceof PodAccessError) return { code: ACCESS_CODES[error.kind], message: error.message };
    if (error instanceof RuntimeError)
      return { code: error.grpcCode === 'NotFound' ? 404 : 500, message: error.message };
    if (error instanceof StatusError && error.code < 500) return { code: error.code, message: error.message };
    this.options.logger.warn({ err: error }, 'A request to the kubelet failed');
    return { code: 500, message: errorText(error) };
  }
}
