/** One controller alone on the real API server, over the memory store. */
import { RestClient } from '../../../machinery/client/rest-client.ts';
import { SharedInformerFactory } from '../../../machinery/client/shared-informer.ts';
import { generateKeyPem } from '../../../machinery/pki/certificate.ts';
import { systemClock as clock } from '../../../machinery/process/clock.ts';
import { silentLogger as logger } from '../../../machinery/process/logger.ts';
import { createApiServer } from '../../apiserver/api-server.ts';
import { MemoryStore } from '../../store/memory/memory-store.ts';
import type { Controller, ControllerContext } from '../runtime/controller.ts';

export class OneController {
  readonly client: RestClient;
  /** Reasons of events, in order. */
  readonly told: string[] = [];
  private readonly stop = new AbortController();
  private readonly running: Promise<void>[] = [];

  private constructor(client: RestClient) {
    this.client = client;
  }

  /** The server alone. */
  static async serve(): Promise<OneController> {
    const server = createApiServer({
      store: new MemoryStore(clock),
      clock,
      logger,
      advertiseAddress: '127.0.0.1',
      serviceAccountKeys: { signingKey: generateKeyPem() },
    });
    const one = new OneController(new RestClient(server.inProcess({ name: 'admin', groups: ['system:masters'] })));
    one.running.push(server.run(one.stop.signal));
    await server.ready();
    return one;
  }

  run(create: (context: ControllerContext) => Controller): void {
    const { client, stop, told } = this;
    const informers = new SharedInformerFactory({ client, clock, logger });
    const events = { event: (_subject: unknown, _type: string, reason: string) => void told.push(reason) };
    const controller = create({ client, informers, events, clock, logger });
    this.running.push(informers.run(stop.signal), controller.run(stop.signal));
  }

  async close(): Promise<void> {
    this.stop.abort();
    await Promise.all(this.running);
  }
}

/** Asks again until `look` gives something. @throws Error after ten seconds */
export async function eventually<R>(what: string, look: () => Promise<R | undefined> | R | undefined): Promise<R> {
  for (const untilMs = Date.now() + 10_000; Date.now() < untilMs; ) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise(resolve => setTimeout(resolve, 2));
  }
  throw new Error(`never: ${what}`);
}
