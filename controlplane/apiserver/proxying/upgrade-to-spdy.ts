/**
 * Asks a kubelet to switch a connection to SPDY.
 */
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Duplex } from 'node:stream';
import { hostPort } from '../../../machinery/meta/host-port.ts';
import { badRequest, internalError, serviceUnavailable, StatusError } from '../../../machinery/meta/status-error.ts';
import { upgradeRefusal } from '../../../machinery/streaming/upgrade-refusal.ts';
import type { Target } from './proxy-request.ts';

const TIMEOUT_MS = 30_000;

export interface SpdyUpgrade {
  readonly socket: Duplex;
  readonly head: Buffer;
}

/**
 * @param protocols of the streams, the best first
 * @throws StatusError what the kubelet says instead, or ServiceUnavailable
 */
export function upgradeToSpdy(target: Target, protocols: readonly string[]): Promise<SpdyUpgrade> {
  const { host, port, path, cert, key, ca } = target;
  return new Promise((resolve, reject) => {
    const request = httpsRequest({
      method: 'POST',
      host,
      port,
      path,
      agent: false,
      headers: {
        connection: 'Upgrade',
        upgrade: 'SPDY/3.1',
        'x-stream-protocol-version': [...protocols],
        'content-length': 0,
      },
      ...(cert === undefined ? {} : { cert, key }),
      ...(ca === undefined ? { rejectUnauthorized: false } : { ca }),
      timeout: TIMEOUT_MS,
    });
    request.once('timeout', () => request.destroy(new Error('i/o timeout')));
    request.once('error', error =>
      reject(
        serviceUnavailable(`error dialing backend: dial tcp ${hostPort(host, port)}: ${error.message}`, {
          cause: error,
        }),
      ),
    );
    request.once('response', answer => void refusal(answer).then(reject));
    request.once('upgrade', (_answer, socket, head) => {
      socket.setTimeout(0);
      socket.setNoDelay(true);
      resolve({ socket, head });
    });
    request.end();
  });
}

async function refusal(answer: IncomingMessage): Promise<StatusError> {
  const message = `unable to upgrade connection: ${await upgradeRefusal(answer)}`;
  if (answer.statusCode === 404) return new StatusError('NotFound', 404, message);
  return answer.statusCode === 400 ? badRequest(message) : internalError(new Error(message));
}
