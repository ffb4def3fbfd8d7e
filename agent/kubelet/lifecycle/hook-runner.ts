/**
 * Runs postStart and preStop handlers.
 * Source: kubernetes.io/docs, "Container Lifecycle Hooks".
 */
import type { Container, LifecycleHandler } from '../../../proto/api/core-v1.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import { httpTarget } from '../plan/http-target.ts';
import type { RuntimeService } from '../runtime/runtime-service.ts';
import { httpCall } from './http-call.ts';

const MAX_SHOWN_CHARS = 1024;
const HTTP_TIMEOUT_MS = 30_000;

export class HookRunner {
  private readonly runtime: RuntimeService;
  private readonly clock: Clock;

  constructor(runtime: RuntimeService, clock: Clock) {
    this.runtime = runtime;
    this.clock = clock;
  }

  /** @throws Error in words when the handler failed; the signal's reason when it aborted */
  async run(
    handler: LifecycleHandler,
    container: Container,
    containerId: string,
    podIP: string,
    signal: AbortSignal,
  ): Promise<void> {
    if (handler.exec !== undefined) {
      const command = handler.exec.command ?? [];
      const result = await this.runtime.execSync(containerId, command, 0, { signal });
      if (result.exitCode === 0) return;
      const output = Buffer.concat([result.stdout, result.stderr]).toString().slice(0, MAX_SHOWN_CHARS);
      throw new Error(`command '${command.join(' ')}' exited with ${result.exitCode}: ${output}`);
    }
    if (handler.httpGet !== undefined) {
      const target = httpTarget(container, handler.httpGet, podIP, 'kube-lifecycle/1.36');
      if (target === undefined) throw new Error(`container has no port named "${handler.httpGet.port}"`);
      const answer = await httpCall({ ...target, timeoutMs: HTTP_TIMEOUT_MS }, signal);
      if (answer.statusCode >= 400) throw new Error(`HTTP probe failed with statuscode: ${answer.statusCode}`);
      return;
    }
    if (handler.sleep !== undefined) return this.clock.sleep(handler.sleep.seconds * 1000, signal);
    throw new Error('the handler is none of exec, httpGet and sleep');
  }
}
