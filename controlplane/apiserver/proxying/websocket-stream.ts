/** WebSockets for what is otherwise a plain answer: logs, watches. */
import type { Readable } from 'node:stream';
import { badRequest } from '../../../machinery/meta/status-error.ts';
import { answerOverWebSocket as answer } from '../../../machinery/streaming/readable-over-websocket.ts';
import { wantsWebSocket as wants } from '../../../machinery/streaming/websocket-frames.ts';
import type { Request, Response } from '../server/request.ts';

/** Whether the client wants this very request to become a WebSocket. */
export function wantsWebSocket(request: Request): boolean {
  return request.upgrade !== undefined && wants(request.headers);
}

/** Takes the connection over. @throws StatusError before anything was answered: no key, or none of the protocols is known */
export function answerOverWebSocket(request: Request, body: Readable): Response {
  if (request.upgrade === undefined) throw badRequest('Upgrade request required');
  answer(request.upgrade.socket, request.headers, body);
  return { kind: 'hijacked' };
}
