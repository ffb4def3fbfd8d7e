/**
 * Runs postStart and preStop handlers.
 * Source: kubernetes.io/docs, "Container Lifecycle Hooks".
 */
import type { Container, LifecycleHandler } from '../../../proto/api/core-v1.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import { httpTarget, portNumber } from '../plan/http-target.ts';
import type { RuntimeService } from '../runtime/runtime-service.ts';
import { httpCall } from './http-call.ts';
import { tcpCall } from './tcp-call.ts';

const MAX_SHOWN_CHARS = 1024;
const CALL_TIMEOUT_MS = 30_000;

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
      const call = { ...target, timeoutMs: CALL_TIMEOUT_MS };
      // Whatever is answered, the hook was called: only who does not answer at all failed, as upstream.
      await httpCall(call, signal).catch((error: unknown) => {
        if (!(isPlainAnswer(error) && target.scheme === 'https')) throw error;
        return httpCall({ ...call, scheme: 'http' }, signal);
      });
      return;
    }
    if (handler.tcpSocket !== undefined) {
      const { host = '', port } = handler.tcpSocket;
      const number = portNumber(container, port);
      if (number === undefined) throw new Error(`container has no port named "${port}"`);
      return tcpCall(host === '' ? podIP || 'localhost' : host, number, CALL_TIMEOUT_MS, signal);
    }
    if (handler.sleep !== undefined) return this.clock.sleep(handler.sleep.seconds * 1000, signal);
    throw new Error('the handler is none of exec, httpGet, tcpSocket and sleep');
  }
}

/** A server that speaks plain HTTP answered to TLS. */
function isPlainAnswer(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EPROTO';
}
