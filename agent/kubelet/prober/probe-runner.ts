/** One try of a probe: exec, httpGet, tcpSocket or grpc. */
import type { Container, Probe } from '../../../proto/api/core-v1.ts';
import { errorText } from '../../../machinery/meta/error-text.ts';
import { hostPort } from '../../../machinery/meta/host-port.ts';
import { httpCall, type HttpAnswer, type HttpCall } from '../lifecycle/http-call.ts';
import { tcpCall } from '../lifecycle/tcp-call.ts';
import { httpTarget, portNumber } from '../plan/http-target.ts';
import { RuntimeError } from '../runtime/runtime-error.ts';
import type { RuntimeService } from '../runtime/runtime-service.ts';
import { grpcHealthCheck } from './grpc-health.ts';

/** What came of it; `output` is for the event. `unknown` counts neither way. */
export interface ProbeResult {
  readonly kind: 'success' | 'failure' | 'unknown';
  readonly output: string;
  /** It succeeded, but not as somebody would wish; an event says so. */
  readonly isWarning?: boolean;
}

const MAX_OUTPUT_CHARS = 1024;
/** Upstream's. */
const MAX_REDIRECTS = 10;
/** Those that are followed; as Go's HTTP client has them. */
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const SCHEMES = new Map<string, HttpCall['scheme']>([
  ['http:', 'http'],
  ['https:', 'https'],
]);
const EXEC_SLACK_MS = 2_000;

export class ProbeRunner {
  private readonly runtime: RuntimeService;

  constructor(runtime: RuntimeService) {
    this.runtime = runtime;
  }

  /** Never throws, unless aborted. */
  async run(
    probe: Probe,
    container: Container,
    containerId: string,
    podIP: string,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<ProbeResult> {
    try {
      if (probe.exec !== undefined) return await this.exec(probe.exec.command ?? [], containerId, timeoutMs, signal);
      if (probe.httpGet !== undefined) return await httpGet(probe, container, podIP, timeoutMs, signal);
      if (probe.tcpSocket !== undefined) return await tcp(probe, container, podIP, timeoutMs, signal);
      if (probe.grpc !== undefined) {
        const { port, service = '' } = probe.grpc;
        const failure = await grpcHealthCheck(podIP, port, service, timeoutMs, signal);
        return failure === undefined
          ? { kind: 'success', output: 'service healthy' }
          : { kind: 'failure', output: failure };
      }
      return { kind: 'success', output: '' };
    } catch (error) {
      signal.throwIfAborted();
      return { kind: 'failure', output: errorText(error) };
    }
  }

  private async exec(
    command: readonly string[],
    containerId: string,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<ProbeResult> {
    try {
      // A command that left a child behind may keep the runtime waiting for long after it was killed.
      const result = await this.runtime.execSync(containerId, command, Math.ceil(timeoutMs / 1000), {
        signal,
        timeoutMs: timeoutMs + EXEC_SLACK_MS,
      });
      const output = textOf(result.stdout, result.stderr).slice(0, MAX_OUTPUT_CHARS);
      return { kind: result.exitCode === 0 ? 'success' : 'failure', output };
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof RuntimeError)) throw error;
      if (error.grpcCode === 'DeadlineExceeded') {
        return {
          kind: 'failure',
          output: `command timed out: "${command.join(' ')}" timed out after ${timeoutMs / 1000}s`,
        };
      }
      // The runtime could not run it: that says nothing of the container.
      if (error.grpcCode === 'Unavailable' || error.grpcCode === 'NotFound')
        return { kind: 'unknown', output: error.detail };
      return { kind: 'failure', output: error.detail };
    }
  }
}

/**
 * A redirect on the same host is followed; one to elsewhere ends it, and counts as success with a warning.
 * Source: kubernetes 1.36 `pkg/probe/http/http.go`.
 */
async function httpGet(
  probe: Probe,
  container: Container,
  podIP: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const target =
    probe.httpGet === undefined ? undefined : httpTarget(container, probe.httpGet, podIP, 'kube-probe/1.36');
  if (target === undefined) return { kind: 'failure', output: `container has no port named "${probe.httpGet?.port}"` };
  const untilMs = performance.now() + timeoutMs;
  // All together have the time of one.
  const call = (where: Pick<HttpCall, 'scheme' | 'port' | 'path'>): Promise<HttpAnswer> =>
    httpCall({ ...target, ...where, timeoutMs: Math.max(1, untilMs - performance.now()) }, signal);
  let at = new URL(`${target.scheme}://${hostPort(target.host, target.port)}${target.path}`);
  const { hostname } = at;
  let answer = await call(target);
  for (let hops = 1; REDIRECTS.has(answer.statusCode) && answer.location !== undefined; hops++) {
    at = new URL(answer.location, at);
    if (at.hostname !== hostname) break;
    if (hops >= MAX_REDIRECTS) {
      const output = `Get "${at.pathname}${at.search}": stopped after ${MAX_REDIRECTS} redirects`;
      return { kind: 'failure', output };
    }
    const scheme = SCHEMES.get(at.protocol);
    if (scheme === undefined) {
      const output = `Get "${at.href}": unsupported protocol scheme "${at.protocol.slice(0, -1)}"`;
      return { kind: 'failure', output };
    }
    const port = at.port === '' ? (scheme === 'https' ? 443 : 80) : Number(at.port);
    answer = await call({ scheme, port, path: `${at.pathname}${at.search}` });
  }
  if (answer.statusCode < 200 || answer.statusCode >= 400)
    return { kind: 'failure', output: `HTTP probe failed with statuscode: ${answer.statusCode}` };
  if (answer.statusCode < 300) return { kind: 'success', output: answer.body };
  return { kind: 'success', output: `Probe terminated redirects, Response body: ${answer.body}`, isWarning: true };
}

/** The beginning of what a command wrote, which may be megabytes. */
function textOf(...outputs: readonly Uint8Array[]): string {
  const most = 4 * MAX_OUTPUT_CHARS;
  return Buffer.concat(outputs.map(output => output.subarray(0, most))).toString();
}

function tcp(
  probe: Probe,
  container: Container,
  podIP: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const action = probe.tcpSocket;
  const port = action === undefined ? undefined : portNumber(container, action.port);
  if (action === undefined || port === undefined) {
    return Promise.resolve({ kind: 'failure', output: `container has no port named "${action?.port}"` });
  }
  const host = action.host === undefined || action.host === '' ? podIP : action.host;
  return tcpCall(host, port, timeoutMs, signal).then(() => ({ kind: 'success', output: '' }));
}
