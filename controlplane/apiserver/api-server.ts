/**
 * The API server: one handler chain, reached through a TLS port and from inside its own process.
 *
 * - `inProcess()` works from the start; RBAC answers for others than system:masters once `run()` follows roles and bindings.
 * - `ready()` resolves when the port listens and every default object exists.
 */
import { aborted } from '../../machinery/process/aborted.ts';
import type { Component } from '../../machinery/process/component.ts';
import { RestClient } from '../../machinery/client/rest-client.ts';
import type { Transport } from '../../machinery/client/transport.ts';
import { DEFAULT_PORT, type ApiServerOptions } from './api-server-options.ts';
import { assemble, type Assembly } from './assemble.ts';
import { ComponentServer, type ComponentEndpoint } from './component-server.ts';
import { bootstrap } from './bootstrap/bootstrap.ts';
import { KubernetesService } from './bootstrap/kubernetes-service.ts';
import { withAuthenticated } from './filters/authenticate.ts';
import { Exchange } from './server/exchange.ts';
import { InProcessTransport } from './server/in-process-transport.ts';
import { requestInfo } from './server/request-info.ts';
import type { Request, Response, UserInfo } from './server/request.ts';
import { sendResponse, type Sink } from './server/send-response.ts';
import { TlsServer } from './server/tls-server.ts';
import { moveToLayout } from './storage/key-layout.ts';

/** Who the server itself is to its own API. */
const SELF: UserInfo = { name: 'system:apiserver', groups: ['system:masters'] };

export interface ApiServer extends Component {
  /** Known once `ready()`; what was asked for before that. */
  readonly port: number;
  /** A transport for `identity`, which is also put into system:authenticated. */
  inProcess(identity: { name: string; groups?: readonly string[] }): Transport;
  /** From now on `kubectl get componentstatuses` tells of it. @param check throws when it is not well */
  tellOf(component: 'scheduler' | 'controller-manager', check: () => void): void;
  /** The port of a part beside this server. @throws Error if this server has no TLS */
  componentServer(endpoint: ComponentEndpoint): Component;
}

export function createApiServer(options: ApiServerOptions): ApiServer {
  return new RunningApiServer(options);
}

class RunningApiServer implements ApiServer {
  readonly name = 'apiserver';
  readonly #options: ApiServerOptions;
  readonly #parts: Assembly;
  readonly #tls: TlsServer | undefined;
  readonly #ready: Promise<void>;
  #resolveReady: () => void = () => {};
  #rejectReady: (error: unknown) => void = () => {};

  constructor(options: ApiServerOptions) {
    this.#options = options;
    this.#ready = new Promise((resolve, reject) => {
      this.#resolveReady = resolve;
      this.#rejectReady = reject;
    });
    this.#ready.catch(() => {});
    this.#parts = assemble(options);
    if (options.tls === undefined) return;
    this.#tls = new TlsServer({
      tls: options.tls,
      bindAddress: options.bindAddress ?? '0.0.0.0',
      port: options.port ?? DEFAULT_PORT,
      logger: options.logger,
      serve: (request, sink) => this.#serve(request, sink),
    });
  }

  get port(): number {
    return this.#tls?.port ?? this.#options.port ?? DEFAULT_PORT;
  }

  inProcess(identity: { name: string; groups?: readonly string[] }): Transport {
    const user = withAuthenticated({ name: identity.name, groups: identity.groups ?? [] });
    return new InProcessTransport(user, request => this.#handle(request));
  }

  tellOf(component: 'scheduler' | 'controller-manager', check: () => void): void {
    this.#parts.parallelParts.set(component, check);
  }

  componentServer(endpoint: ComponentEndpoint): Component {
    const { tls, clock, logger } = this.#options;
    if (tls === undefined) throw new Error('a server without TLS has no ports');
    return new ComponentServer({
      ...endpoint,
      tls,
      clock,
      logger: logger.child({ part: endpoint.name }),
      guarded: handler => this.#parts.guarded(handler),
      serve: (handler, request, sink) => this.#serve(request, sink, handler),
    });
  }

  ready(): Promise<void> {
    return this.#ready;
  }

  async run(signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const onAbort = (): void => stop.abort();
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) stop.abort();
    const following: Promise<void>[] = [];
    try {
      await this.#start(stop.signal, following);
      this.#resolveReady();
      await aborted(stop.signal);
    } catch (error) {
      this.#rejectReady(error);
      throw error;
    } finally {
      this.#parts.markStopping();
      stop.abort();
      signal.removeEventListener('abort', onAbort);
      const closed = this.#tls?.close();
      // Ends watches, so that their connections can be let go.
      await this.#parts.storage.close();
      await Promise.all([closed, ...following]);
    }
  }

  async #start(signal: AbortSignal, following: Promise<void>[]): Promise<void> {
    const parts = this.#parts;
    const options = this.#options;
    const transport = new InProcessTransport(SELF, request => this.#handle(request));
    const moved = options.storeKeyPrefix === undefined ? await moveToLayout(options.store) : 0;
    if (moved > 0) options.logger.info({ moved }, 'Objects were moved to where upstream keeps them in the store');
    const repair = parts.serviceRepair(new RestClient(transport));
    await repair.repair();
    following.push(repair.run(signal), parts.rbacCache.run(signal));
    await this.#tls?.listen();
    await bootstrap({ transport, clientCA: options.tls?.clientCA ?? '', clusterInfo: options.clusterInfo });
    const kubernetes = new KubernetesService({
      transport,
      clusterIP: parts.firstServiceAddress,
      advertiseAddress: options.advertiseAddress,
      port: () => this.port,
      logger: options.logger,
      watched: [
        parts.resources.stored('', 'services'),
        parts.resources.stored('', 'endpoints'),
        parts.resources.stored('discovery.k8s.io', 'endpointslices'),
      ],
    });
    await kubernetes.reconcile();
    await parts.rbacCache.synced();
    following.push(kubernetes.run(signal));
    parts.markBootstrapped();
  }

  #handle(request: Request): Promise<Response> {
    return this.#parts.handler(new Exchange(request, requestInfo(request), this.#options.clock));
  }

  async #serve(request: Request, sink: Sink, handler = this.#parts.handler): Promise<void> {
    const exchange = new Exchange(request, requestInfo(request), this.#options.clock);
    try {
      await sendResponse(exchange, await handler(exchange), sink);
    } catch (error) {
      this.#options.logger.debug({ err: error, path: request.path }, 'An answer could not be sent');
      sink.body.destroy();
    }
  }
}
