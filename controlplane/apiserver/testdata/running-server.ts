/** API servers for tests: the real one over a memory store, in the test's own process. */
import type { Transport } from '../../../machinery/client/transport.ts';
import { createAuthority, DAY_MS, generateKeyPem, issueKeyPair } from '../../../machinery/pki/certificate.ts';
import { systemClock } from '../../../machinery/process/clock.ts';
import { silentLogger } from '../../../machinery/process/logger.ts';
import { MemoryStore } from '../../store/memory/memory-store.ts';
import type { ApiServerOptions } from '../api-server-options.ts';
import { createApiServer, type ApiServer } from '../api-server.ts';

/** A server that is ready. */
export interface RunningServer {
  readonly server: ApiServer;
  /** Of system:masters. */
  readonly admin: Transport;
  /** Resolves when nothing of it runs any more. */
  stop(): Promise<void>;
}

/** What every server of a test has, and what this one has besides or instead. */
export function serverOptions(options: Partial<ApiServerOptions> = {}): ApiServerOptions {
  return {
    store: new MemoryStore(systemClock),
    clock: systemClock,
    logger: silentLogger,
    advertiseAddress: '10.1.2.3',
    serviceAccountKeys: { signingKey: generateKeyPem() },
    ...options,
  };
}

/** Reached from inside the process alone, unless `options` say how it listens. */
export async function startServer(options: Partial<ApiServerOptions> = {}): Promise<RunningServer> {
  const server = createApiServer(serverOptions(options));
  const over = new AbortController();
  const stopped = server.run(over.signal);
  await server.ready();
  return {
    server,
    admin: server.inProcess({ name: 'admin', groups: ['system:masters'] }),
    stop: () => {
      over.abort();
      return stopped;
    },
  };
}

/** An authority of its own, and options that let a server listen on any free port of 127.0.0.1 with a certificate of it. */
export function loopbackTls() {
  const notBeforeMs = Date.now() - 1000;
  const life = { notBeforeMs, notAfterMs: notBeforeMs + DAY_MS };
  const ca = createAuthority('ca', notBeforeMs);
  const serving = issueKeyPair(ca, {
    subject: { commonName: 'server' },
    usages: ['server'],
    ipAddresses: ['127.0.0.1'],
    ...life,
  });
  const options = {
    tls: { cert: serving.certPem, key: serving.keyPem, clientCA: ca.certPem },
    bindAddress: '127.0.0.1',
    port: 0,
  };
  return { ca, life, options };
}
