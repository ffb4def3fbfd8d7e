/** An HTTP server that is a courtesy: if somebody has its port, it says so once and waits until the port is free. */
import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import type { Clock } from '../../machinery/process/clock.ts';
import { listenHost } from '../../machinery/process/listen-host.ts';

const RETRY_MS = 30_000;

export interface PatientServerOptions {
  /** Undefined for all addresses of both families. */
  readonly host: string | undefined;
  readonly port: number;
  readonly handler: RequestListener;
  readonly clock: Clock;
  /** Told once of a port that cannot be had, and with no message once it can. */
  readonly onProblem: (message: string | undefined) => void;
}

export class PatientServer {
  private readonly options: PatientServerOptions;
  private readonly server: Server;
  private cancelRetry: () => void = () => {};
  private hasProblem = false;
  private closed = false;

  constructor(options: PatientServerOptions) {
    this.options = options;
    this.server = createServer(options.handler);
    this.server.on('error', error => this.failed(error));
    this.server.on('listening', () => this.succeeded());
    this.server.unref();
    this.listen();
  }

  async close(): Promise<void> {
    this.closed = true;
    this.cancelRetry();
    if (!this.server.listening) return;
    this.server.closeAllConnections();
    await new Promise(resolve => this.server.close(resolve));
  }

  private listen(): void {
    this.server.listen({ port: this.options.port, host: listenHost(this.options.host ?? '') });
  }

  private failed(error: Error): void {
    // Such as no file descriptors left for one connection: it listens on.
    if (this.closed || this.server.listening) return;
    if (!this.hasProblem) this.options.onProblem(error.message);
    this.hasProblem = true;
    this.cancelRetry = this.options.clock.after(RETRY_MS, () => this.listen());
  }

  private succeeded(): void {
    // It was asked to listen before it was closed.
    if (this.closed) return void this.server.close();
    if (this.hasProblem) this.options.onProblem(undefined);
    this.hasProblem = false;
  }
}
