/**
 * Datagrams to one address and port. Each client has a flow: a socket of its own to one endpoint, whose datagrams go back to it.
 *
 * - A flow ends when it was quiet for a while, when its endpoint goes or refuses, or when there are too many and it was quiet longest.
 * - What comes while a flow is being made waits, a few datagrams; more are lost, as datagrams may be.
 */
import { createSocket } from 'node:dgram';
import type { RemoteInfo, Socket } from 'node:dgram';
import type { EndpointModel } from '../plan/model.ts';
import type { SocketPlan } from '../plan/userspace-sockets.ts';
import { endpointsFor } from './client-rules.ts';
import type { ClientContext } from './client-rules.ts';
import { EndpointChooser, endpointKey } from './endpoint-chooser.ts';

export interface UdpLimits {
  readonly flows: number;
  readonly idleMs: number;
}

/** As long as the kernel remembers flows with answers. */
const LIMITS: UdpLimits = { flows: 2_000, idleMs: 120_000 };
const MAX_WAITING = 16;

interface Flow {
  readonly endpoint: EndpointModel;
  readonly socket: Socket;
  /** Datagrams that wait for the socket; undefined once it stands. */
  waiting: Buffer[] | undefined;
  lastMs: number;
}

export class UdpForwarder {
  private readonly context: ClientContext;
  private readonly limits: UdpLimits;
  private readonly chooser: EndpointChooser;
  private readonly socket: Socket;
  /** By client; the one that was quiet longest first. */
  private readonly flows = new Map<string, Flow>();
  private sweep: NodeJS.Timeout | undefined;
  private plan: SocketPlan;

  constructor(plan: SocketPlan, context: ClientContext, limits: UdpLimits = LIMITS) {
    this.plan = plan;
    this.context = context;
    this.limits = limits;
    this.chooser = new EndpointChooser(plan.affinitySeconds);
    this.socket = createSocket(typeOf(plan.address));
    this.socket.on('message', (message, from) => this.forward(message, from));
  }

  /** How many clients are served. */
  get size(): number {
    return this.flows.size;
  }

  /** @throws Error of the system when the port cannot be had */
  listen(): Promise<void> {
    const { address, port } = this.plan;
    return new Promise((resolve, reject) => {
      this.socket.once('error', reject);
      this.socket.bind({ address, port, exclusive: true }, () => {
        this.socket.removeAllListeners('error');
        this.socket.on('error', () => {});
        this.socket.unref();
        resolve();
      });
    });
  }

  /** From now on; flows to endpoints that are gone end. */
  update(plan: SocketPlan): void {
    this.plan = plan;
    const keys = new Set([...plan.inside, ...plan.outside].map(endpointKey));
    for (const [client, flow] of [...this.flows]) if (!keys.has(endpointKey(flow.endpoint))) this.end(client);
  }

  close(): Promise<void> {
    for (const client of [...this.flows.keys()]) this.end(client);
    clearInterval(this.sweep);
    return new Promise(resolve => {
      // It may never have been bound.
      this.socket.on('error', () => {});
      this.socket.close(() => resolve());
    });
  }

  private forward(message: Buffer, from: RemoteInfo): void {
    const client = `${from.address} ${from.port}`;
    const flow = this.flows.get(client) ?? this.begin(client, from);
    if (flow === undefined) return;
    flow.lastMs = performance.now();
    this.flows.delete(client);
    this.flows.set(client, flow);
    if (flow.waiting === undefined) trySend(() => flow.socket.send(message));
    else if (flow.waiting.length < MAX_WAITING) flow.waiting.push(message);
  }

  private begin(client: string, from: RemoteInfo): Flow | undefined {
    const endpoints = endpointsFor(this.plan, from.address, this.plan.address, this.context) ?? [];
    const endpoint = this.chooser.choose(from.address, endpoints);
    if (endpoint === undefined) return undefined;
    if (this.flows.size >= this.limits.flows) this.end(this.flows.keys().next().value ?? '');
    const flow: Flow = { endpoint, socket: createSocket(typeOf(endpoint.ip)), waiting: [], lastMs: 0 };
    flow.socket.unref();
    flow.socket.on('error', () => this.flows.get(client) === flow && this.end(client));
    flow.socket.on('message', message => {
      flow.lastMs = performance.now();
      trySend(() => this.socket.send(message, from.port, from.address));
    });
    flow.socket.on('connect', () => {
      for (const message of flow.waiting ?? []) trySend(() => flow.socket.send(message));
      flow.waiting = undefined;
    });
    flow.socket.connect(endpoint.port, endpoint.ip);
    this.flows.set(client, flow);
    if (this.flows.size === 1) this.watch();
    return flow;
  }

  /** The clock runs only while there are flows. */
  private watch(): void {
    clearInterval(this.sweep);
    this.sweep = setInterval(() => {
      const overMs = performance.now() - this.limits.idleMs;
      for (const [client, { lastMs }] of [...this.flows]) if (lastMs < overMs) this.end(client);
      if (this.flows.size === 0) clearInterval(this.sweep);
    }, this.limits.idleMs / 4);
    this.sweep.unref();
  }

  private end(client: string): void {
    const flow = this.flows.get(client);
    this.flows.delete(client);
    if (flow === undefined) return;
    flow.socket.removeAllListeners().on('error', () => {});
    trySend(() => flow.socket.close());
  }
}

function typeOf(address: string): { type: 'udp4' } | { type: 'udp6'; ipv6Only: true } {
  return address.includes(':') ? { type: 'udp6', ipv6Only: true } : { type: 'udp4' };
}

/** The socket may be closed by now. */
function trySend(send: () => void): void {
  try {
    send();
  } catch {
    // A datagram that is lost is one.
  }
}
