/**
 * All controllers on the real API server, each as its own service account, over the memory store and in real time: that they work together, are
 * allowed what they do, and come to rest. One controller in a world that a test moves by hand is `world.ts`.
 */
import { expect } from '@jest/globals';
import type { Namespace } from '../../../proto/api/core-v1.ts';
import { namespaces, serviceAccounts } from '../../../machinery/client/resource.ts';
import { RestClient } from '../../../machinery/client/rest-client.ts';
import type { Transport } from '../../../machinery/client/transport.ts';
import { isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { createAuthority, generateKeyPem } from '../../../machinery/pki/certificate.ts';
import { ServiceAccountTokens } from '../../../machinery/pki/service-account-tokens.ts';
import { systemClock as clock } from '../../../machinery/process/clock.ts';
import { silentLogger, type Logger } from '../../../machinery/process/logger.ts';
import { createApiServer } from '../../apiserver/api-server.ts';
import { MemoryStore } from '../../store/memory/memory-store.ts';
import { createControllers } from '../create-controllers.ts';

const PATIENCE_MS = 4000;

export class AllControllers {
  readonly authority = createAuthority('ca', clock.now());
  readonly server: ReturnType<typeof createApiServer>;
  readonly admin: RestClient;
  private readonly signingKey = generateKeyPem();
  private readonly stop = new AbortController();
  private readonly running: Promise<void>[] = [];
  /** What was logged as a warning or worse. */
  private readonly problems: object[] = [];
  private readonly logger: Logger;
  /** What the controllers asked the server, `GET /api/v1/...`. */
  private readonly calls: string[] = [];

  constructor() {
    const logger: Logger = {
      ...silentLogger,
      warn: fields => this.problems.push(fields),
      error: fields => this.problems.push(fields),
      child: () => logger,
    };
    this.logger = logger;
    this.server = createApiServer({
      store: new MemoryStore(clock),
      clock,
      logger,
      advertiseAddress: '127.0.0.1',
      serviceAccountKeys: { signingKey: this.signingKey },
    });
    this.admin = new RestClient(this.server.inProcess({ name: 'admin', groups: ['system:masters'] }));
  }

  async start(): Promise<void> {
    const { server, stop, running, logger, authority } = this;
    running.push(server.run(stop.signal));
    await server.ready();
    const controllers = createControllers({
      clientFor: name => {
        const groups = ['system:serviceaccounts', 'system:serviceaccounts:kube-system'];
        const identity = { name: `system:serviceaccount:kube-system:${name}`, groups };
        return new RestClient(this.counted(server.inProcess(identity)));
      },
      informerClient: this.admin,
      clock,
      logger,
      authority,
      tokens: new ServiceAccountTokens({ issuer: 'https://x', signingKeyPem: this.signingKey, clock }),
      clusterCidrs: ['10.42.0.0/16'],
    });
    running.push(controllers.run(stop.signal));
    await controllers.ready();
  }

  async close(): Promise<void> {
    this.stop.abort();
    await Promise.all(this.running);
  }

  /** Asks again after each turn until `look` gives something. */
  readonly eventually = async <R>(what: string, look: () => Promise<R | undefined>): Promise<R> => {
    for (const untilMs = Date.now() + PATIENCE_MS; Date.now() < untilMs; ) {
      const found = await look();
      if (found !== undefined) return found;
      await new Promise(resolve => setTimeout(resolve, 2));
    }
    const told = JSON.stringify(this.problems, (_key, v: unknown) => (v instanceof Error ? v.stack : v));
    throw new Error(`never: ${what}; ${told}`);
  };

  /** With its service account. */
  readonly makeNamespace = async (name: string): Promise<void> => {
    await this.admin.of(namespaces).create({ metadata: { name } } as Namespace);
    await this.eventually('service account', async () => {
      const { items } = await this.admin.of(serviceAccounts).list({ namespace: name });
      return items.length > 0 ? true : undefined;
    });
  };

  /** Fails if the controllers do not come to rest, or if anything was refused or went wrong up to now. */
  async expectRest(): Promise<void> {
    const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms));
    let before = -1;
    await this.eventually('rest', async () => {
      if (this.calls.length === before) return true;
      before = this.calls.length;
      await pause(300);
      return undefined;
    });
    this.calls.length = 0;
    await pause(500);
    expect(this.calls).toEqual([]);
    expect(this.problems.map(problem => ('err' in problem ? String(problem.err) : problem))).toEqual([]);
  }

  private counted(transport: Transport): Transport {
    return {
      call: request => {
        this.calls.push(`${request.method} ${request.path}`);
        return transport.call(request);
      },
      watch: request => transport.watch(request),
      close: () => transport.close(),
    };
  }
}

/** For `eventually`. */
export async function gone(look: () => Promise<unknown>): Promise<true | undefined> {
  try {
    await look();
    return undefined;
  } catch (error) {
    if (isNotFound(error)) return true;
    throw error;
  }
}
