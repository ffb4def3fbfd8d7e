/** One HTTP request of a probe or hook: no redirects to elsewhere, certificates not checked, a bounded body. */
import { request as requestHttp, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import { hostPort } from '../../../machinery/meta/host-port.ts';
import { connectionFailure } from './network-error.ts';

export interface HttpCall {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  /** With query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly timeoutMs: number;
}

export interface HttpAnswer {
  readonly statusCode: number;
  readonly location: string | undefined;
  /** At most 10 KiB. */
  readonly body: string;
}

const MAX_BODY_BYTES = 10 * 1024;

/** @throws Error in words when there is no answer in time */
export function httpCall(call: HttpCall, signal?: AbortSignal): Promise<HttpAnswer> {
  const where = `${call.scheme}://${hostPort(call.host, call.port)}${call.path}`;
  return new Promise((resolve, reject) => {
    const options: RequestOptions & { rejectUnauthorized: boolean; servername: string } = {
      host: call.host,
      port: call.port,
      path: call.path,
      method: 'GET',
      headers: call.headers,
      agent: false,
      rejectUnauthorized: false,
      // Whom the connection goes to, whatever the header Host says; an address is no name.
      servername: isIP(call.host) === 0 ? call.host : '',
      ...(signal === undefined ? {} : { signal }),
    };
    const finishWith = ({ statusCode = 0, headers }: IncomingMessage, body: string): void => {
      clearTimeout(timer);
      resolve({ statusCode, location: headers.location, body });
    };
    const onAnswer = (answer: IncomingMessage): void => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      const finish = (): void => finishWith(answer, Buffer.concat(chunks).toString());
      answer.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
        else {
          finish();
          request.destroy();
        }
      });
      answer.on('end', finish);
      answer.on('error', reject);
    };
    const request = call.scheme === 'https' ? requestHttps(options, onAnswer) : requestHttp(options, onAnswer);
    const timer = setTimeout(() => {
      request.destroy(
        new Error(`Get "${where}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`),
      );
    }, call.timeoutMs);
    // Nobody asked it to switch protocols.
    request.on('upgrade', (answer, socket) => {
      socket.destroy();
      finishWith(answer, '');
    });
    request.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      if (error.syscall === undefined) return reject(error);
      const why = `Get "${where}": ${connectionFailure(call.host, call.port, error)}`;
      reject(Object.assign(new Error(why, { cause: error }), { code: error.code }));
    });
    request.end();
  });
}
