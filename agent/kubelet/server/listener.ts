/** Listens until told to stop. */
import type { Server } from 'node:net';
import { hostPort } from '../../../machinery/meta/host-port.ts';
import { aborted } from '../../../machinery/process/aborted.ts';
import { listenHost } from '../../../machinery/process/listen-host.ts';

export interface ListenerOptions {
  readonly host: string;
  readonly port: number;
  /** Who listens, for the message. */
  readonly what: string;
  /** By which the port is changed. */
  readonly setting: string;
}

export class Listener {
  /** Resolves when it listens. @throws when the port is taken, naming it */
  readonly listening: Promise<void>;
  private readonly server: Server;
  private readonly options: ListenerOptions;

  constructor(server: Server, options: ListenerOptions) {
    this.server = server;
    this.options = options;
    const { host, port, what, setting } = options;
    this.listening = new Promise<void>((resolve, reject) => {
      server.once('listening', resolve);
      server.once('error', (error: NodeJS.ErrnoException) => {
        const why = error.code === 'EADDRINUSE' ? `another process holds it; see ${setting}` : error.message;
        reject(new Error(`${what} cannot listen on ${hostPort(host, port)}: ${why}`, { cause: error }));
      });
    });
    this.listening.catch(() => undefined);
  }

  /** Resolves when the signal aborts: no new connection comes then. @throws as `listening` */
  async run(signal: AbortSignal): Promise<void> {
    const { host, port } = this.options;
    this.server.listen(port, listenHost(host));
    await this.listening;
    await aborted(signal);
    this.server.close();
  }
}
