/** Opens a TCP connection and closes it again, for a probe or a hook. */
import { connect } from 'node:net';
import { hostPort } from '../../../machinery/meta/host-port.ts';
import { connectionFailure } from './network-error.ts';

/** @throws Error in words when there is no connection in time; the signal's reason when it aborts */
export function tcpCall(host: string, port: number, timeoutMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const finish = (error: Error | undefined): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      if (error === undefined) resolve();
      else reject(error);
    };
    const onAbort = (): void => finish(signal.reason as Error);
    const timer = setTimeout(() => finish(new Error(`dial tcp ${hostPort(host, port)}: i/o timeout`)), timeoutMs);
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('connect', () => finish(undefined));
    socket.on('error', error => finish(new Error(connectionFailure(host, port, error), { cause: error })));
  });
}
