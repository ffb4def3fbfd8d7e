/**
 * `/checkpoint/NAMESPACE/POD/CONTAINER`: the runtime writes a container's state to an archive on the node (KEP-2008). Runtimes that cannot say so.
 * Source: kubernetes `pkg/kubelet/server/server.go` and `kubelet.go` (CheckpointContainer), 1.36.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../../../machinery/process/clock.ts';
import { findContainer } from '../../plan/pod-spec.ts';
import { RuntimeError } from '../../runtime/runtime-error.ts';
import type { RuntimeService } from '../../runtime/runtime-service.ts';
import { HttpError, sendJson, type Exchange } from '../exchange.ts';
import { PodAccessError, type PodAccess } from '../pod-access.ts';
import type { Route } from '../route.ts';

export interface CheckpointOptions {
  readonly access: PodAccess;
  readonly runtime: RuntimeService;
  readonly clock: Clock;
  /** Where archives are written; made when the first one is. */
  readonly folder: string;
}

export function checkpointRoute(options: CheckpointOptions): Route {
  return { path: 'checkpoint', methods: ['POST'], handle: exchange => checkpoint(options, exchange) };
}

async function checkpoint(options: CheckpointOptions, { segments, query, response, signal }: Exchange): Promise<void> {
  const { access, runtime, clock, folder } = options;
  const [, namespace = '', name = '', container = '', ...more] = segments;
  if (container === '' || more.length > 0) throw new HttpError(404, '404 page not found');
  const pod = access.pod(namespace, name);
  if (pod === undefined) throw new HttpError(404, 'pod does not exist');
  if (findContainer(pod, container) === undefined) throw new HttpError(404, `container ${container} does not exist`);
  const timeout = query.getAll('timeout').at(-1);
  if (timeout !== undefined && !/^-?\d+$/.test(timeout))
    throw new HttpError(404, 'cannot parse value of timeout parameter');
  const at = new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
  const location = join(folder, `checkpoint-${name}_${namespace}-${container}-${at}.tar`);
  try {
    const { id } = access.runningContainer(namespace, name, container).container;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await runtime.checkpointContainer(id, location, Number(timeout ?? 0), { signal });
  } catch (error) {
    if (!(error instanceof RuntimeError) && !(error instanceof PodAccessError)) throw error;
    throw new HttpError(500, `checkpointing of ${namespace}/${name}/${container} failed (${error.message})`);
  }
  sendJson(response, { items: [location] });
}
