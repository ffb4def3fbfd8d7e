/**
 * gRPC over a unix socket, for the few services that the kubelet offers to programs of its node. Unary calls alone.
 *
 * - Whoever can open the socket may call: its folder is root's.
 * - A call that fails answers with its code and message; nothing of it reaches anybody else.
 */
import { mkdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import type { Decoded } from '../../../proto/decoded.ts';
import { errorText } from '../../../machinery/meta/error-text.ts';
import { GRPC_CODES, type GrpcCode } from './runtime-error.ts';

/** One call as generated code defines it. */
export interface GrpcServerMethod<Req, Res> {
  readonly path: string;
  readonly requestDeserialize: (bytes: Buffer) => Req;
  readonly responseSerialize: (value: Res) => Buffer;
}

/** What a caller is told instead of an answer. */
export class CallRefusal extends Error {
  override readonly name = 'CallRefusal';
  readonly grpcCode: GrpcCode;

  constructor(grpcCode: GrpcCode, message: string) {
    super(message);
    this.grpcCode = grpcCode;
  }
}

const MAX_PATH_BYTES = 107;

export class GrpcServer {
  private readonly server = new Server({ 'grpc.enable_channelz': 0 });

  /** @throws CallRefusal from `handle` is what the caller sees; anything else becomes Unknown with its message */
  answer<Req, Res>(method: GrpcServerMethod<Req, Res>, handle: (request: Decoded<Req>) => Promise<Res> | Res): this {
    this.server.register<Req, Res>(
      method.path,
      (call: { readonly request: Req }, callback: (error: object | null, response?: Res) => void) => {
        // Generated decoders fill in every default; that is what Decoded says.
        void Promise.resolve(call.request as Decoded<Req>)
          .then(handle)
          .then(
            response => callback(null, response),
            (error: unknown) => {
              const code = error instanceof CallRefusal ? GRPC_CODES.indexOf(error.grpcCode) : status.UNKNOWN;
              callback({ code, details: errorText(error) });
            },
          );
      },
      method.responseSerialize,
      method.requestDeserialize,
      'unary',
    );
    return this;
  }

  /**
   * Takes the place of a socket that is left there; its folder is made.
   * @param socketPath absolute
   * @throws Error when nothing can listen there
   */
  async listen(socketPath: string): Promise<void> {
    const bytes = Buffer.byteLength(socketPath);
    if (bytes > MAX_PATH_BYTES) {
      const why = `the path has ${bytes} bytes, and the kernel takes ${MAX_PATH_BYTES}; choose a shorter --data-dir`;
      throw new Error(`Cannot listen on ${socketPath}: ${why}`);
    }
    await mkdir(dirname(socketPath), { recursive: true, mode: 0o750 });
    await rm(socketPath, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.server.bindAsync(`unix:${socketPath}`, ServerCredentials.createInsecure(), error => {
        if (error === null) resolve();
        else reject(new Error(`Cannot listen on ${socketPath}: ${error.message}`, { cause: error }));
      });
    });
  }

  /** Calls in flight fail. */
  close(): void {
    this.server.forceShutdown();
  }
}
