/**
 * Connects to the runtime's streaming server: it gives a URL for each exec, attach or port-forward, good for one connection.
 */
import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import type { Switched } from '../../../machinery/streaming/remote-command.ts';
import { upgradeRefusal } from '../../../machinery/streaming/upgrade-refusal.ts';
import { HttpError } from './exchange.ts';

/** A runtime that does not answer is given up after so long. */
const ANSWER_MS = 30_000;

export interface RuntimeStream extends Switched {
  /** How the runtime answered: 101. */
  readonly answer: IncomingMessage;
}

/**
 * @param headers the upgrade and its protocols
 * @throws HttpError with what the runtime says instead, or 500 when it says nothing
 */
export function openRuntimeStream(
  url: string,
  method: string,
  headers: OutgoingHttpHeaders,
  signal: AbortSignal,
): Promise<RuntimeStream> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { method, headers: { ...headers, connection: 'Upgrade' }, agent: false });
    const timer = setTimeout(
      () => request.destroy(new Error(`it did not answer within ${ANSWER_MS / 1000} s`)),
      ANSWER_MS,
    );
    const onAbort = (): void => void request.destroy(new Error('the client went away'));
    signal.addEventListener('abort', onAbort, { once: true });
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    };
    request.once('error', error => {
      done();
      reject(new HttpError(500, `error dialing backend: the container runtime's streaming server: ${error.message}`));
    });
    request.once('response', answer => {
      void refusal(answer)
        .then(reject)
        .finally(() => {
          done();
          request.destroy();
        });
    });
    request.once('upgrade', (answer, socket, head) => {
      done();
      resolve({ answer, socket, head });
    });
    request.end();
  });
}

async function refusal(answer: IncomingMessage): Promise<HttpError> {
  const text = await upgradeRefusal(answer);
  const code = answer.statusCode ?? 500;
  return new HttpError(code >= 400 ? code : 500, text || `the container runtime answered ${code}`);
}
