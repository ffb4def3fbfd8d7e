/** One controller alone on the real API server, over the memory store. */
import { RestClient } from '../../../machinery/client/rest-client.ts';
import { SharedInformerFactory } from '../../../machinery/client/shared-informer.ts';
import { systemClock as clock } from '../../../machinery/process/clock.ts';
import { silentLogger as logger } from '../../../machinery/process/logger.ts';
import type { Controller, ControllerContext } from '../runtime/controller.ts';
import { startServer, type RunningServer } from '../../apiserver/testdata/running-server.ts';

export class OneController {
  readonly client: RestClient;
  /** Reasons of events, in order. */
  readonly told: string[] = [];
  private readonly server: RunningServer;
  private readonly stop = new AbortController();
  private readonly running: Promise<void>[] = [];

  private constructor(server: RunningServer) {
    this.server = server;
    this.client = new RestClient(server.admin);
  }

  /** The server alone. */
  static async serve(): Promise<OneController> {
    const one = new OneController(await startServer({ advertiseAddress: '127.0.0.1' }));
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
    await Promise.all([...this.running, this.server.stop()]);
  }
}
