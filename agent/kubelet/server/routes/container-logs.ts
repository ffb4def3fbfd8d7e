/** `/containerLogs/NAMESPACE/POD/CONTAINER`, with PodLogOptions as query; over a WebSocket for clients that ask for one. */
import { PassThrough, type Writable } from 'node:stream';
import { parsePodLogOptions, type PodLogOptions } from '../../../../machinery/meta/pod-log-options.ts';
import { answerOverWebSocket, drained } from '../../../../machinery/streaming/readable-over-websocket.ts';
import { wantsWebSocket } from '../../../../machinery/streaming/websocket-frames.ts';
import type { Clock } from '../../../../machinery/process/clock.ts';
import { uidOf } from '../../plan/pod-spec.ts';
import { HttpError, takeOver, type Exchange } from '../exchange.ts';
import { streamLog } from '../logs/log-stream.ts';
import { logSelection } from '../plan/log-selection.ts';
import type { PodAccess } from '../pod-access.ts';
import { getRoute, type Route } from '../route.ts';

export function containerLogsRoute(access: PodAccess, clock: Clock): Route {
  return getRoute('containerLogs', exchange => containerLogs(exchange, access, clock));
}

async function containerLogs(exchange: Exchange, access: PodAccess, clock: Clock): Promise<void> {
  const [, namespace = '', name = '', container = '', ...more] = exchange.segments;
  if (container === '' || more.length > 0) throw new HttpError(404, '404 page not found');
  const options = readOptions(exchange.query);
  const { pod, container: view, path } = access.containerLogPath(namespace, name, container, options.previous);
  const uid = uidOf(pod);
  const { follow, tailLines, limitBytes } = options;
  const request = { ...logSelection(options, clock.now()), follow, tailLines, limitBytes };
  const changes = {
    isRunning: () => access.view(uid)?.containers.find(c => c.id === view.id)?.state === 'running',
    watch: (onChange: () => void) => access.watchPod(uid, onChange),
  };
  const target = answerOf(exchange);
  // Whoever follows a silent container wants to know that it is connected.
  if (follow) target.begin();
  try {
    await streamLog(path, request, target, changes, exchange.signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new HttpError(
      400,
      `failed to try resolving symlinks in path ${JSON.stringify(path)}: no such file or directory`,
    );
  }
  target.begin();
  target.end();
}

function readOptions(query: URLSearchParams): PodLogOptions {
  const asked = new URLSearchParams(query);
  // The name of old.
  const tail = asked.get('tail');
  if (tail !== null && tail !== 'all') asked.set('tailLines', tail);
  const { options, errors } = parsePodLogOptions(asked);
  if (errors.length > 0) throw new HttpError(422, errors.map(String).join(', '));
  return options;
}

/** Where the log goes. `begin` sends what comes before it, once. */
function answerOf(exchange: Exchange): {
  begin(): void;
  write(bytes: Buffer): Promise<void>;
  end(): void;
} {
  const { request, response, upgrade } = exchange;
  const socket = upgrade !== undefined && wantsWebSocket(request.headers) ? upgrade.socket : undefined;
  const body: Writable = socket === undefined ? response : new PassThrough();
  let begun = false;
  const begin = (): void => {
    if (begun) return;
    begun = true;
    if (socket !== undefined) {
      answerOverWebSocket(socket, request.headers, body as PassThrough);
      takeOver(exchange);
    } else {
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.flushHeaders();
    }
  };
  return {
    begin,
    write: async bytes => {
      begin();
      if (!body.write(bytes) && !body.destroyed) await drained(body);
    },
    end: () => void body.end(),
  };
}
