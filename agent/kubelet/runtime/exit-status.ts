/** Waits for CRI to know of an exit that containerd has told of already. */
import type { Clock } from '../../../machinery/process/clock.ts';
import { ContainerState, PodSandboxState } from '../../../proto/cri/runtime.gen.ts';
import { isNotFound } from './runtime-error.ts';
import type { RuntimeService } from './runtime-service.ts';

const FIRST_LOOK_AGAIN_MS = 2;
const MAX_LOOK_AGAIN_MS = 200;
const GIVE_UP_MS = 5_000;

/**
 * Resolves once the container or sandbox of that id no longer counts as running: within milliseconds as a rule, after 5 s
 * whatever its status says.
 * @throws RuntimeError when the runtime does not answer
 */
export async function hasExited(
  runtime: Pick<RuntimeService, 'containerStatus' | 'podSandboxStatus'>,
  clock: Clock,
  id: string,
  signal: AbortSignal,
): Promise<void> {
  const untilMs = clock.monotonicMs() + GIVE_UP_MS;
  for (
    let waitMs = FIRST_LOOK_AGAIN_MS;
    clock.monotonicMs() < untilMs;
    waitMs = Math.min(waitMs * 2, MAX_LOOK_AGAIN_MS)
  ) {
    if (!(await isRunning(runtime, id, signal))) return;
    await clock.sleep(waitMs, signal);
  }
}

async function isRunning(
  runtime: Pick<RuntimeService, 'containerStatus' | 'podSandboxStatus'>,
  id: string,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    return (await runtime.containerStatus(id, { signal })).status?.state === ContainerState.CONTAINER_RUNNING;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  try {
    return (await runtime.podSandboxStatus(id, { signal })).status?.state === PodSandboxState.SANDBOX_READY;
  } catch (error) {
    if (!isNotFound(error)) throw error;
    return false;
  }
}
