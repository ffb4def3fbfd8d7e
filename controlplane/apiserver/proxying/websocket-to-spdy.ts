/**
 * Exec, attach and port-forward for clients that speak WebSocket, by way of kubelets that speak SPDY: clients of today need nothing of a
 * node's kubelet that older ones have not.
 */
import {
  REMOTE_COMMAND_BACKEND_PROTOCOL,
  REMOTE_COMMAND_PROTOCOL,
  translateRemoteCommand,
  type RemoteCommandStreams,
} from '../../../machinery/streaming/remote-command.ts';
import {
  PORT_FORWARD_PROTOCOL,
  tunnelPortForward,
  TUNNEL_PROTOCOL,
} from '../../../machinery/streaming/port-forward-tunnel.ts';
import { offeredProtocols, switchToWebSocket } from '../../../machinery/streaming/websocket-frames.ts';
import { badRequest } from '../../../machinery/meta/status-error.ts';
import type { Request, Response } from '../server/request.ts';
import type { Target } from './proxy-request.ts';
import { upgradeToSpdy, type SpdyUpgrade } from './upgrade-to-spdy.ts';
import { wantsWebSocket } from './websocket-stream.ts';

function offers(request: Request, protocol: string): boolean {
  return wantsWebSocket(request) && offeredProtocols(request.headers).includes(protocol);
}

/** Whether the client speaks the protocol that is translated here; older ones pass through to the runtime as they are. */
export function speaksRemoteCommandV5(request: Request): boolean {
  return offers(request, REMOTE_COMMAND_PROTOCOL);
}

export function tunnelsPortForward(request: Request): boolean {
  return offers(request, TUNNEL_PROTOCOL);
}

/** @throws StatusError as `upgradeToSpdy()` */
export async function remoteCommandToSpdy(
  request: Request,
  target: Target,
  streams: RemoteCommandStreams,
): Promise<Response> {
  const backend = await upgradeToSpdy(target, [REMOTE_COMMAND_BACKEND_PROTOCOL]);
  translateRemoteCommand(accepted(request, REMOTE_COMMAND_PROTOCOL, backend), backend, streams);
  return { kind: 'hijacked' };
}

/** @throws StatusError as `upgradeToSpdy()` */
export async function portForwardToSpdy(request: Request, target: Target): Promise<Response> {
  const backend = await upgradeToSpdy(target, [PORT_FORWARD_PROTOCOL]);
  tunnelPortForward(accepted(request, TUNNEL_PROTOCOL, backend), backend);
  return { kind: 'hijacked' };
}

/** The client's connection, switched; without one nobody is left to talk to the kubelet. */
function accepted(request: Request, protocol: string, { socket }: SpdyUpgrade): SpdyUpgrade {
  try {
    if (request.upgrade === undefined) throw badRequest('Upgrade request required');
    switchToWebSocket(request.upgrade.socket, request.headers, protocol);
    return request.upgrade;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}
