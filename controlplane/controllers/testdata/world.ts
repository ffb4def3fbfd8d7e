/**
 * Controllers on the real API server, over the memory store, in a world that a test moves by hand: time stands still unless told to pass,
 * nodes do what PretendNodes does when told to, the way to the server may fail, and the controllers may be killed at any point.
 *
 * `settle()` lets everything run out; `expectRest()` then proves that the controllers have reached a fixed point.
 */
import type { Node } from '../../../proto/api/core-v1.ts';
import type { Informer, InformerHandler, InformerScope } from '../../../machinery/client/informer.ts';
import { nodes, serviceAccounts, type AnyObject, type Resource } from '../../../machinery/client/resource.ts';
import { RestClient } from '../../../machinery/client/rest-client.ts';
import { SharedInformerFactory } from '../../../machinery/client/shared-informer.ts';
import { generateKeyPem } from '../../../machinery/pki/certificate.ts';
import { silentLogger as logger } from '../../../machinery/process/logger.ts';
import { createApiServer } from '../../apiserver/api-server.ts';
import { MemoryStore } from '../../store/memory/memory-store.ts';
import type { Controller, ControllerContext } from '../runtime/controller.ts';
import { JumpingClock } from './jumping-clock.ts';
import { PretendNodes } from './pretend-nodes.ts';
import { UnreliableTransport, type Call, type CallObserver } from './unreliable-transport.ts';

export interface WorldOptions extends CallObserver {
  controllers: readonly ((context: ControllerContext) => Controller)[];
  /** The service accounts that the controllers act as, in their order; default: as somebody who may do everything. */
  accounts?: readonly string[];
  /** Kinds of owners: pods go when theirs is gone, as the garbage collector would do it. Default none. */
  owners?: readonly Resource<AnyObject>[];
  /** Kinds beside pods that go with their owners, and whose finalizers somebody takes off. Default none. */
  collected?: readonly Resource<AnyObject>[];
  /** Default `n0`, `n1`. */
  nodeNames?: readonly string[];
}

/** Rounds after which nobody believes any more that it comes to rest. */
const MOST_ROUNDS = 400;
/** So long nothing may happen by itself in a world at rest: longer than any back-off or deadline of a controller. */
const REST_MS = 20 * 60_000;
const signingKey = generateKeyPem();

export class World {
  static readonly namespace = 'default';
  readonly clock = new JumpingClock();
  /** May do everything; its calls are not counted. */
  readonly admin: RestClient;
  readonly pretend: PretendNodes;
  /** Every call of controllers, by all their runs. */
  readonly calls: Call[] = [];
  /** Reasons of events, in order. */
  readonly told: string[] = [];
  /** Calls that were under way when controllers were killed: those who came after cannot know of them. */
  unheard = 0;
  private readonly options: WorldOptions;
  private readonly server: ReturnType<typeof createApiServer>;
  private readonly stop = new AbortController();
  private readonly serving: Promise<void>;
  private run: ControllerRun | undefined;

  private constructor(options: WorldOptions) {
    this.options = options;
    const { clock } = this;
    this.server = createApiServer({
      store: new MemoryStore(clock),
      clock,
      logger,
      advertiseAddress: '127.0.0.1',
      serviceAccountKeys: { signingKey },
    });
    this.serving = this.server.run(this.stop.signal);
    this.admin = new RestClient(this.server.inProcess({ name: 'admin', groups: ['system:masters'] }));
    this.pretend = new PretendNodes(this.admin, clock, options.owners ?? [], options.collected ?? []);
  }

  /** A server with nodes, and the controllers at work on it. */
  static async open(options: WorldOptions): Promise<World> {
    const world = new World(options);
    await world.server.ready();
    const { namespace } = World;
    await world.admin.of(serviceAccounts).create({ metadata: { namespace, name: 'default' } });
    for (const name of world.nodeNames) await world.admin.of(nodes).create({ metadata: { name } } as Node);
    await world.start();
    return world;
  }

  get nodeNames(): readonly string[] {
    return this.options.nodeNames ?? ['n0', 'n1'];
  }

  /** The controllers' way to the server: faults go in here. */
  get way(): UnreliableTransport {
    return this.running.way;
  }

  /** Kills the controllers as `kill -9` does, with whatever they are at, and starts them anew. */
  async restart(): Promise<void> {
    this.unheard += this.way.inFlight;
    await this.running.kill();
    await this.start();
  }

  /** Every object comes again, as an informer's resync tells it. */
  replay(): void {
    this.running.informers.replay();
  }

  /** Until nobody has anything to do at this moment: time does not pass, nodes do nothing. */
  async quiet(): Promise<void> {
    for (let calm = 0, before = -1; calm < 4; calm++) {
      await new Promise(resolve => setImmediate(resolve));
      const { inFlight } = this.way;
      if (inFlight > 0 || this.calls.length !== before) calm = 0;
      before = this.calls.length;
    }
  }

  /**
   * The way to the server is whole again, nodes do their work, and time passes until nothing happens for long.
   * @throws Error with the last calls if it never comes to rest
   */
  async settle(): Promise<void> {
    this.way.faults.length = 0;
    this.way.letGo();
    let stepMs = 10;
    for (let calmMs = 0, round = 0; calmMs < REST_MS; round++) {
      if (round > MOST_ROUNDS) throw new Error(`no fixed point; the last calls: ${lines(this.calls.slice(-12))}`);
      await this.quiet();
      const moved = await this.pretend.step(this.nodeNames);
      const before = this.calls.length;
      await this.clock.advance(stepMs);
      await this.quiet();
      if (moved || this.calls.length > before) [calmMs, stepMs] = [0, 10];
      else [calmMs, stepMs] = [calmMs + stepMs, stepMs * 4];
    }
  }

  /** @throws Error with the calls if the controllers, settled, call for no reason: told of all again, after a while, or started anew */
  async expectRest(): Promise<void> {
    const silent = async (when: string): Promise<void> => {
      await this.quiet();
      await this.clock.advance(REST_MS);
      await this.quiet();
      if (this.calls.length > before) throw new Error(`calls ${when}: ${lines(this.calls.slice(before))}`);
    };
    const before = this.calls.length;
    this.replay();
    await silent('after a resync');
    await this.restart();
    await silent('after a restart');
  }

  async close(): Promise<void> {
    await this.running.kill();
    this.stop.abort();
    await this.serving;
  }

  private get running(): ControllerRun {
    if (this.run === undefined) throw new Error('the controllers do not run');
    return this.run;
  }

  private async start(): Promise<void> {
    const { server, options } = this;
    const { accounts, controllers } = options;
    const all = server.inProcess({ name: 'controllers', groups: ['system:masters'] });
    const way = new UnreliableTransport(all, this.calls, options);
    const groups = ['system:serviceaccounts', 'system:serviceaccounts:kube-system'];
    const clients = controllers.map((_create, i) => {
      const account = accounts?.[i];
      const name = `system:serviceaccount:kube-system:${account}`;
      return new RestClient(account === undefined ? way : way.as(server.inProcess({ name, groups })));
    });
    this.run = new ControllerRun({ way, clients, clock: this.clock, told: this.told, create: controllers });
    await this.run.informers.synced();
  }
}

interface ControllerRunOptions {
  way: UnreliableTransport;
  /** One a controller. */
  clients: readonly RestClient[];
  clock: JumpingClock;
  told: string[];
  create: WorldOptions['controllers'];
}

/** One life of the controllers. */
class ControllerRun {
  readonly way: UnreliableTransport;
  readonly informers: ReplayingInformers;
  private readonly stop = new AbortController();
  private readonly running: Promise<void>[];

  constructor({ way, clients, clock, told, create }: ControllerRunOptions) {
    this.way = way;
    this.informers = new ReplayingInformers({ client: new RestClient(uncounted(way)), clock, logger });
    const { informers } = this;
    const events = { event: (_subject: unknown, _type: string, reason: string) => void told.push(reason) };
    const controllers = create.map((make, i) => {
      const client = clients[i] ?? new RestClient(way);
      return make({ client, informers, events, clock, logger });
    });
    const { signal } = this.stop;
    this.running = [this.informers.run(signal), ...controllers.map(controller => controller.run(signal))];
  }

  async kill(): Promise<void> {
    const reason = new Error('killed');
    this.stop.abort(reason);
    this.way.kill(reason);
    this.way.letGo();
    await Promise.all(this.running);
  }
}

/** Informers' lists go past the log and the faults of calls: those are the controllers'. */
function uncounted(way: UnreliableTransport) {
  return { call: way.past.bind(way), watch: way.watch.bind(way), close: way.close.bind(way) };
}

/** Informers that can tell of everything once more. */
class ReplayingInformers extends SharedInformerFactory {
  private readonly replays: (() => void)[] = [];
  private readonly known = new Set<unknown>();

  override informer<T extends AnyObject>(resource: Resource<T>, scope?: InformerScope): Informer<T> {
    const informer = super.informer(resource, scope);
    if (this.known.has(informer)) return informer;
    this.known.add(informer);
    const addHandler = informer.addHandler.bind(informer);
    informer.addHandler = (handler: InformerHandler<T>): (() => void) => {
      this.replays.push(() => {
        for (const object of informer.lister.list()) handler.onUpdate?.(object, object);
      });
      return addHandler(handler);
    };
    return informer;
  }

  replay(): void {
    for (const replay of this.replays) replay();
  }
}

function lines(calls: readonly Call[]): string {
  return calls.map(({ method, path, body, error }) => `\n${method} ${path} ${JSON.stringify(body)?.slice(0, 600) ?? ''} ${String(error ?? '')}`).join('');
}
