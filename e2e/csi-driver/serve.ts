/** gRPC services on a unix socket, each call a function of its request. */
import { rmSync } from 'node:fs';
import {
  Server,
  ServerCredentials,
  status,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';

/** A failure with a gRPC code. */
export class CallError extends Error {
  override readonly name = 'CallError';
  readonly code: status;

  constructor(code: status, message: string) {
    super(message);
    this.code = code;
  }
}

/** By method. Requests are typed by whoever writes the handler. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Handlers = Readonly<Record<string, (request: any) => unknown>>;

/** @returns what stops serving */
export async function serve(
  socket: string,
  services: readonly (readonly [ServiceDefinition, Handlers])[],
): Promise<() => Promise<void>> {
  const server = new Server();
  for (const [definition, handlers] of services) server.addService(definition, implementation(handlers));
  rmSync(socket, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), error =>
      error === null ? resolve() : reject(error),
    );
  });
  return () =>
    new Promise(resolve => {
      server.forceShutdown();
      resolve();
    });
}

function implementation(handlers: Handlers): UntypedServiceImplementation {
  return Object.fromEntries(
    Object.entries(handlers).map(([name, handle]) => [
      name,
      ({ request }: ServerUnaryCall<unknown, unknown>, answer: sendUnaryData<unknown>) => {
        void Promise.resolve()
          .then(() => handle(request))
          .then(
            value => answer(null, value),
            (error: unknown) => {
              const code = error instanceof CallError ? error.code : status.INTERNAL;
              answer({ code, details: (error as Error).message });
            },
          );
      },
    ]),
  );
}
