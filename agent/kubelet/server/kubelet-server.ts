/**
 * The kubelet's API: HTTPS on the node, for the API server (logs, exec, attach, port-forward) and for whoever may read metrics.
 * Paths are upstream's (`/containerLogs/NS/POD/CONTAINER`, `/exec/NS/POD[/UID]/CONTAINER`, ...).
 */
import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Component } from '../../../machinery/process/component.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { ExecRequest } from '../../../proto/cri/runtime.gen.ts';
import { RuntimeError } from '../runtime/runtime-error.ts';
import type { RuntimeService } from '../runtime/runtime-service.ts';
import { streamLog } from './log-stream.ts';
import { parseLogOptions } from './plan/log-options.ts';
import { PodAccessError, type PodAccess } from './pod-access.ts';
import { plainResponse, proxyStream } from './stream-proxy.ts';
import type { WebhookAuth } from './webhook-auth.ts';

/** What to answer to a GET, by path; given the query. */
export type Reports = Readonly<Record<string, (query: URLSearchParams) => Promise<{ type: string; text: string }>>>;

export interface KubeletServerOptions {
  host: string;
  port: number;
  tls: { cert: string; key: string; clientCa: string };
  auth: WebhookAuth;
  access: PodAccess;
  runtime: RuntimeService;
  /** `/metrics`, `/stats/summary` and more of the kind. */
  reports: Reports;
  /** Undefined when the node is healthy, else what ails it. */
  health(): string | undefined;
  clock: Clock;
  logger: Logger;
}

/** An answer that is an error for the client. */
class HttpError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

const STREAMS = new Set(['exec', 'attach', 'portForward', 'run']);
const ACCESS_CODES = { podNotFound: 404, containerNotFound: 404, containerNotReady: 400 } as const;

export class KubeletServer implements Component {
  readonly name = 'kubelet-server';
  private readonly options: KubeletServerOptions;
  private readonly server: Server;
  private readonly listening: Promise<void>;
  private readonly stopping = new AbortController();

  constructor(options: KubeletServerOptions) {
    this.options = options;
    const { cert, key, clientCa } = options.tls;
    this.server = createServer({
      cert,
      key,
      ca: clientCa,
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
    });
    this.server.on('request', (req: IncomingMessage, res: ServerResponse) => void this.onRequest(req, res));
    this.server.on(
      'upgrade',
      (req: IncomingMessage, socket: Duplex, head: Buffer) => void this.onUpgrade(req, socket, head),
    );
    this.server.on('tlsClientError', () => undefined);
    this.listening = new Promise((resolve, reject) => {
      this.server.once('listening', resolve);
      this.server.once('error', reject);
    });
    this.listening.catch(() => undefined);
  }

  ready(): Promise<void> {
    return this.listening;
  }

  /** @throws when the port is taken, naming it */
  async run(signal: AbortSignal): Promise<void> {
    const { host, port } = this.options;
    this.server.listen(port, host);
    try {
      await this.listening;
    } catch (error) {
      const why =
        (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
          ? 'another process holds it; see --kubelet-port'
          : (error as Error).message;
      throw new Error(`The kubelet cannot listen on ${host}:${port}: ${why}`, { cause: error });
    }
    await new Promise<void>(resolve => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
    this.stopping.abort();
    this.server.closeAllConnections();
    await new Promise<void>(resolve => this.server.close(() => resolve()));
  }

  private async onRequest(req: IncomingMessage, res: ServerResponse): Promise<void> {
    try {
      const url = new URL(req.url ?? '/', 'https://kubelet');
      await this.permit(req, url.pathname);
      await this.serve(req, res, url);
    } catch (error) {
      const { code, message } = this.answerTo(error);
      if (res.headersSent) res.destroy();
      else res.writeHead(code, { 'content-type': 'text/plain' }).end(`${message}\n`);
    }
  }

  private async onUpgrade(req: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy());
    try {
      const url = new URL(req.url ?? '/', 'https://kubelet');
      await this.permit(req, url.pathname);
      await proxyStream(req, socket, head, await this.streamUrl(url));
    } catch (error) {
      const { code, message } = this.answerTo(error);
      socket.end(plainResponse(code, message));
    }
  }

  private async permit(req: IncomingMessage, path: string): Promise<void> {
    const decision = await this.options.auth.decide(req, path, this.stopping.signal);
    if (decision.kind === 'unauthenticated') throw new HttpError(401, 'Unauthorized');
    if (decision.kind === 'denied') throw new HttpError(403, decision.reason);
  }

  private answerTo(error: unknown): { code: number; message: string } {
    if (error instanceof HttpError) return error;
    if (error instanceof PodAccessError) return { code: ACCESS_CODES[error.kind], message: error.message };
    if (error instanceof RuntimeError) return { code: 500, message: error.message };
    this.options.logger.warn({ err: error }, 'a request to the kubelet failed');
    return { code: 500, message: error instanceof Error ? error.message : String(error) };
  }

  private async serve(req: IncomingMessage, res: ServerResponse, url: URL): Promise<void> {
    const parts = url.pathname
      .split('/')
      .filter(part => part !== '')
      .map(decodeURIComponent);
    const report = this.options.reports[url.pathname.replace(/\/$/, '')];
    if (report !== undefined) {
      const { type, text } = await report(url.searchParams);
      res.writeHead(200, { 'content-type': type }).end(text);
      return;
    }
    switch (parts[0]) {
      case 'healthz': {
        const problem = this.options.health();
        res.writeHead(problem === undefined ? 200 : 500, { 'content-type': 'text/plain' }).end(problem ?? 'ok');
        return;
      }
      case 'pods':
        res
          .writeHead(200, { 'content-type': 'application/json' })
          .end(JSON.stringify({ kind: 'PodList', apiVersion: 'v1', metadata: {}, items: this.options.access.pods() }));
        return;
      case 'runningpods': {
        const items = this.options.access.runningPods().map(view => ({
          metadata: { name: view.name, namespace: view.namespace, uid: view.uid },
          spec: {
            containers: view.containers.filter(c => c.state === 'running').map(c => ({ name: c.name, image: c.image })),
          },
        }));
        res
          .writeHead(200, { 'content-type': 'application/json' })
          .end(JSON.stringify({ kind: 'PodList', apiVersion: 'v1', metadata: {}, items }));
        return;
      }
      case 'containerLogs':
        return this.logs(req, res, parts, url);
      default:
        if (STREAMS.has(parts[0] ?? '')) throw new HttpError(400, 'Upgrade request required');
        throw new HttpError(404, '404 page not found');
    }
  }

  private async logs(
    req: IncomingMessage,
    res: ServerResponse,
    [, namespace = '', name = '', container]: string[],
    url: URL,
  ): Promise<void> {
    const options = parseLogOptions(url.searchParams, this.options.clock.now());
    if (typeof options === 'string') throw new HttpError(422, options);
    const { access } = this.options;
    const { pod, container: view, path } = access.containerLogPath(namespace, name, container, options.previous);
    const uid = pod.metadata.uid ?? '';
    const gone = new AbortController();
    res.once('close', () => gone.abort());
    req.socket.setNoDelay(true);
    res.writeHead(200, { 'content-type': 'text/plain' });
    res.flushHeaders();
    const sink = {
      write: (bytes: Buffer): Promise<void> =>
        new Promise(resolve => {
          if (res.write(bytes) || res.destroyed) return resolve();
          res.once('drain', resolve);
          res.once('close', resolve);
        }),
    };
    const follow = {
      isRunning: () => access.view(uid)?.containers.find(c => c.id === view.id)?.state === 'running',
      watch: (onChange: () => void) => access.watchPod(uid, onChange),
    };
    await streamLog(path, options, sink, follow, AbortSignal.any([gone.signal, this.stopping.signal]));
    res.end();
  }

  /** The runtime's URL for an exec, attach or port-forward. */
  private async streamUrl(url: URL): Promise<string> {
    const [what = '', namespace = '', name = '', ...rest] = url.pathname
      .split('/')
      .filter(part => part !== '')
      .map(decodeURIComponent);
    const { access, runtime } = this.options;
    const query = url.searchParams;
    if (what === 'portForward') {
      const sandbox = access.runningSandbox(namespace, name, rest[0]);
      const ports = [...query.getAll('port'), ...query.getAll('ports')].flatMap(p => p.split(',')).map(Number);
      return runtime.portForward({ podSandboxId: sandbox, port: ports.filter(p => Number.isInteger(p) && p > 0) });
    }
    const [uid, container = ''] = rest.length > 1 ? rest : [undefined, rest[0]];
    const flag = (...keys: string[]): boolean => keys.some(key => ['1', 'true'].includes(query.get(key) ?? ''));
    const tty = flag('tty');
    const streams = {
      tty,
      stdin: flag('input', 'stdin'),
      stdout: flag('output', 'stdout'),
      stderr: flag('error', 'stderr') && !tty,
    };
    if (what !== 'exec' && what !== 'attach') throw new HttpError(404, '404 page not found');
    if (!streams.stdin && !streams.stdout && !streams.stderr)
      throw new HttpError(400, 'you must specify at least 1 of stdin, stdout, stderr');
    const { id } = access.runningContainer(namespace, name, container, uid).container;
    if (what === 'attach') return runtime.attach({ containerId: id, ...streams });
    const command = query.getAll('command');
    if (command.length === 0) throw new HttpError(400, 'you must specify a command');
    const request: ExecRequest = { containerId: id, cmd: command, ...streams };
    return runtime.exec(request);
  }
}
