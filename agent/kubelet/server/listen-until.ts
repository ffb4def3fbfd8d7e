/** Listens until told to stop. */
import type { Server } from 'node:net';

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  /** Who listens, for the message. */
  readonly what: string;
  /** By which the port is changed. */
  readonly setting: string;
}

/** Resolves when the signal aborts: no new connection comes then. @throws when the port is taken, naming it */
export async function listenUntil(server: Server, options: ListenOptions, signal: AbortSignal): Promise<void> {
  const { host, port, what, setting } = options;
  await new Promise<void>((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => {
      const why = error.code === 'EADDRINUSE' ? `another process holds it; see ${setting}` : error.message;
      reject(new Error(`${what} cannot listen on ${host}:${port}: ${why}`, { cause: error }));
    };
    server.once('error', fail);
    server.listen(port, host, () => {
      server.off('error', fail);
      resolve();
    });
  });
  await new Promise<void>(resolve => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
  server.close();
}
