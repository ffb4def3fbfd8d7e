/**
 * One gRPC connection to a unix socket: unary calls and server streams, each with a deadline and an abort signal.
 *
 * - Every failure leaves as RuntimeError; gRPC's numeric codes are known here alone.
 * - A runtime that restarts is met again within about `MAX_RECONNECT_MS`; until then calls fail at once with Unavailable.
 * - No call is retried here: only the caller knows whether doing it twice is harmless.
 */
import { setMaxListeners } from 'node:events';
import { Client, credentials, Metadata, type ClientReadableStream, type ServiceError } from '@grpc/grpc-js';
import type { Decoded } from '../../../proto/decoded.ts';
import { GRPC_CODES, RuntimeError } from './runtime-error.ts';
import type { RuntimeCallOptions } from './runtime-service.ts';

/** One call as generated code defines it. */
export interface GrpcMethod<Req, Res> {
  readonly path: string;
  readonly requestSerialize: (value: Req) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Res;
}

/** A stream call's settings; it runs until aborted, so it has no deadline. */
export interface StreamOptions {
  readonly signal: AbortSignal;
  readonly metadata?: Readonly<Record<string, string>>;
}

const INITIAL_RECONNECT_MS = 20;
const MAX_RECONNECT_MS = 250;
const MAX_MESSAGE_BYTES = 32 * 1024 * 1024;

/** Told of every unary call that ended. @param method as the service names it: `RunPodSandbox` */
export type CallObserver = (method: string, seconds: number, failed: boolean) => void;

export class GrpcChannel {
  /** For metrics; set by whoever counts. */
  observer: CallObserver | undefined;
  private readonly client: Client;

  /** @param socketPath absolute path, at most 107 bytes (the kernel's limit) */
  constructor(socketPath: string) {
    this.client = new Client(`unix:${socketPath}`, credentials.createInsecure(), {
      'grpc.initial_reconnect_backoff_ms': INITIAL_RECONNECT_MS,
      'grpc.min_reconnect_backoff_ms': INITIAL_RECONNECT_MS,
      'grpc.max_reconnect_backoff_ms': MAX_RECONNECT_MS,
      'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
      'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
      'grpc.enable_http_proxy': 0,
      'grpc.enable_retries': 0,
      'grpc.enable_channelz': 0,
      'grpc.default_authority': 'localhost',
      'grpc.service_config': '{}',
    });
  }

  /** @throws RuntimeError, or the signal's reason */
  unary<Req, Res>(
    method: GrpcMethod<Req, Res>,
    request: Req,
    timeoutMs: number,
    options: RuntimeCallOptions = {},
  ): Promise<Decoded<Res>> {
    const { signal } = options;
    const deadlineMs = options.timeoutMs ?? timeoutMs;
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason as Error);
      const startedMs = performance.now();
      const call = this.client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        new Metadata(),
        { deadline: Date.now() + deadlineMs },
        (error, response) => {
          signal?.removeEventListener('abort', onAbort);
          this.observer?.(methodName(method.path), (performance.now() - startedMs) / 1000, error !== null);
          if (signal?.aborted === true) return reject(signal.reason as Error);
          if (error !== null) return reject(toRuntimeError(error, method.path, startedMs));
          // Generated decoders fill in every default; that is what Decoded says.
          resolve(response as Decoded<Res>);
        },
      );
      const onAbort = () => call.cancel();
      listen(signal, onAbort);
    });
  }

  /**
   * Yields what the server streams; returns when the server ends the stream.
   * @throws RuntimeError when the stream breaks, or the signal's reason
   */
  async *stream<Req, Res>(
    method: GrpcMethod<Req, Res>,
    request: Req,
    options: StreamOptions,
  ): AsyncGenerator<Decoded<Res>> {
    const { signal } = options;
    signal.throwIfAborted();
    const metadata = new Metadata();
    for (const [key, value] of Object.entries(options.metadata ?? {})) metadata.set(key, value);
    const startedMs = performance.now();
    const call: ClientReadableStream<Res> = this.client.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      metadata,
    );
    const onAbort = () => call.cancel();
    listen(signal, onAbort);
    try {
      for await (const message of call) yield message as Decoded<Res>;
    } catch (error) {
      signal.throwIfAborted();
      throw isServiceError(error) ? toRuntimeError(error, method.path, startedMs) : error;
    } finally {
      signal.removeEventListener('abort', onAbort);
      call.cancel();
    }
  }

  /** Lets go of the connection; calls in flight fail. */
  close(): void {
    this.client.close();
  }
}

/** One signal may end hundreds of calls at once: that is no leak for Node to warn of. */
function listen(signal: AbortSignal | undefined, onAbort: () => void): void {
  if (signal === undefined) return;
  setMaxListeners(0, signal);
  signal.addEventListener('abort', onAbort, { once: true });
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && 'details' in error;
}

function toRuntimeError(error: ServiceError, path: string, startedMs: number): RuntimeError {
  const method = methodName(path);
  const code = GRPC_CODES[error.code] ?? 'Unknown';
  return new RuntimeError(code, method, error.details, performance.now() - startedMs, { cause: error });
}

function methodName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
