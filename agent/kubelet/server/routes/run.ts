/** `/run/NAMESPACE/POD[/UID]/CONTAINER?cmd=...`: runs a command to its end and answers with what it wrote. */
import type { RuntimeService } from '../../runtime/runtime-service.ts';
import { HttpError, sendJson, type Exchange } from '../exchange.ts';
import type { PodAccess } from '../pod-access.ts';
import { streamSubject } from '../plan/stream-request.ts';
import type { Route } from '../route.ts';

export function runRoute(access: PodAccess, runtime: RuntimeService): Route {
  return { path: 'run', methods: ['POST'], handle: exchange => run(exchange, access, runtime) };
}

async function run(
  { segments, query, response, signal }: Exchange,
  access: PodAccess,
  runtime: RuntimeService,
): Promise<void> {
  const subject = streamSubject(segments);
  if (subject === undefined) throw new HttpError(404, '404 page not found');
  const command = (query.get('cmd') ?? '').split(' ').filter(word => word !== '');
  if (command.length === 0) throw new HttpError(400, 'you must specify a command: cmd=');
  const { namespace, pod, uid, container } = subject;
  const { id } = access.runningContainer(namespace, pod, container, uid).container;
  const { stdout, stderr, exitCode } = await runtime.execSync(id, command, 0, { signal });
  const output = Buffer.concat([stdout, stderr]);
  if (exitCode !== 0)
    throw new HttpError(500, `command '${command.join(' ')}' exited with ${exitCode}: ${output.toString()}`);
  sendJson(response, output.toString());
}
