/**
 * A node, two pods and a client outside, as network namespaces with real links between them, of both address families. Needs root.
 *
 * ```
 * client .2 --- 192.0.2.1, 2001:db8:1::1 node 10.244.0.1, fd00:244::1 --- bridge --- pod1 .3, pod2 .4
 *               192.0.2.9, 2001:db8:1::9
 * ```
 * The client is the node's default gateway, and answers at any address that is not the lab's: a packet to a service that leaked would be
 * answered by `client`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../../host/exec.ts';
import type { AddressFamily } from '../plan/address.ts';

const PLACE_PROGRAM = fileURLToPath(new URL('./lab-place.mjs', import.meta.url));
const SCTP_PROGRAM = fileURLToPath(new URL('./sctp.pl', import.meta.url));
const PLACES = ['node', 'pod1', 'pod2', 'client'] as const;
/** For what is to succeed, also on a busy machine. */
const PATIENCE_MS = 8_000;
/** For what is to get no answer. */
const SILENCE_MS = 400;

export type Place = (typeof PLACES)[number];

/** Addresses of one family. */
export interface LabAddresses {
  readonly family: AddressFamily;
  readonly loopback: string;
  /** Of the node where the client sees it: two. */
  readonly node: string;
  readonly secondNode: string;
  readonly client: string;
  /** Of the node where pods see it. */
  readonly bridge: string;
  readonly pod1: string;
  readonly pod2: string;
  readonly clusterCIDR: string;
  /** A network of clients that is nobody's. */
  readonly strangers: string;
  readonly clientNetwork: string;
  /** The n-th address of the service range, from 1 to 65535. */
  service(n: number): string;
  /** An address outside the cluster that only services have. */
  external(n: number): string;
}

export const LAB_ADDRESSES: Record<AddressFamily, LabAddresses> = {
  IPv4: {
    family: 'IPv4',
    loopback: '127.0.0.1',
    node: '192.0.2.1',
    secondNode: '192.0.2.9',
    client: '192.0.2.2',
    bridge: '10.244.0.1',
    pod1: '10.244.0.3',
    pod2: '10.244.0.4',
    clusterCIDR: '10.244.0.0/16',
    strangers: '198.51.100.0/24',
    clientNetwork: '192.0.2.0/24',
    service: n => `10.96.${n >> 8}.${n & 255}`,
    external: n => `203.0.113.${n}`,
  },
  IPv6: {
    family: 'IPv6',
    loopback: '::1',
    node: '2001:db8:1::1',
    secondNode: '2001:db8:1::9',
    client: '2001:db8:1::2',
    bridge: 'fd00:244::1',
    pod1: 'fd00:244::3',
    pod2: 'fd00:244::4',
    clusterCIDR: 'fd00:244::/48',
    strangers: '2001:db8:2::/64',
    clientNetwork: '2001:db8:1::/64',
    service: n => `fd00:96::${n.toString(16)}`,
    external: n => `2001:db8:cb::${n.toString(16)}`,
  },
};

export class Lab {
  private readonly id: string;
  private readonly places = new AbortController();
  private folder = '';

  constructor(id: string) {
    this.id = id;
  }

  /** Words that run a command in a namespace. */
  in(place: Place): string[] {
    return ['nsenter', `--net=/run/netns/${this.nameOf(place)}`];
  }

  async up(): Promise<void> {
    this.folder = await mkdtemp(join(tmpdir(), 'proxy-lab-'));
    for (const place of PLACES) {
      await run(['ip', 'netns', 'add', this.nameOf(place)]);
      await this.ip(place, 'link set lo up');
    }
    const v4 = LAB_ADDRESSES.IPv4;
    const v6 = LAB_ADDRESSES.IPv6;
    await this.ip('node', 'link add cni0 type bridge', 'link add svc0 type bridge', 'link set svc0 up');
    await this.ip('node', `addr add ${v4.bridge}/24 dev cni0`, `addr add ${v6.bridge}/64 dev cni0 nodad`, 'link set cni0 up');
    await this.ip('node', 'route add 10.96.0.0/16 dev svc0', 'route add 203.0.113.0/24 dev svc0');
    await this.ip('node', '-6 route add fd00:96::/64 dev svc0', '-6 route add 2001:db8:cb::/64 dev svc0');
    for (const place of ['pod1', 'pod2'] as const) {
      await this.ip('node', `link add v${place} type veth peer name eth0 netns ${this.nameOf(place)}`);
      await this.ip('node', `link set v${place} master cni0 up`, `link set v${place} type bridge_slave hairpin on`);
      await this.ip(place, `addr add ${v4[place]}/24 dev eth0`, `addr add ${v6[place]}/64 dev eth0 nodad`, 'link set eth0 up');
      await this.ip(place, `route add default via ${v4.bridge}`, `route add default via ${v6.bridge}`);
    }
    await this.ip('node', `link add out type veth peer name eth0 netns ${this.nameOf('client')}`);
    for (const address of [v4.node, v4.secondNode]) await this.ip('node', `addr add ${address}/24 dev out`);
    for (const address of [v6.node, v6.secondNode]) await this.ip('node', `addr add ${address}/64 dev out nodad`);
    await this.ip('client', `addr add ${v4.client}/24 dev eth0`, `addr add ${v6.client}/64 dev eth0 nodad`, 'link set eth0 up');
    await this.ip('node', 'link set out up', `route add default via ${v4.client}`, `route add default via ${v6.client}`);
    await this.ip('client', `route add default via ${v4.node}`, `route add default via ${v6.node}`);
    // Answers whatever leaves the node.
    for (const leak of ['10.96.0.0/16', '203.0.113.0/24', 'fd00:96::/64']) await this.ip('client', `route add local ${leak} dev lo table 77`);
    for (const family of ['-4', '-6']) await this.ip('client', `${family} rule add iif eth0 lookup 77 pref 5`);
    await this.sysctl('net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1', 'net.ipv4.conf.all.route_localnet=1');
    await this.sysctl('net.bridge.bridge-nf-call-iptables=1', 'net.bridge.bridge-nf-call-ip6tables=1');
    for (const place of PLACES) this.start(place);
    for (const place of PLACES) await this.untilReady(place);
  }

  async down(): Promise<void> {
    this.places.abort();
    for (const place of PLACES) await run(['ip', 'netns', 'del', this.nameOf(place)]).catch(() => {});
    if (this.folder !== '') await rm(this.folder, { recursive: true, force: true });
  }

  /**
   * Answers of `count` connections (or datagrams, always of one flow), one after the other: each `server-name client-address`, with
   * `:8081` after the name where it is not 8080, or an error code.
   * @param options.silence no answer is expected: `timeout` comes soon
   */
  async fetch(
    from: Place,
    host: string,
    port: number,
    options: { kind?: 'http' | 'udp'; count?: number; silence?: boolean } = {},
  ): Promise<string[]> {
    const { kind = 'http', count = 1, silence = false } = options;
    const timeoutMs = silence ? SILENCE_MS : PATIENCE_MS;
    return (await this.ask(from, { kind, host, port, count, timeoutMs })) as string[];
  }

  /** Opens a connection that stays; the server's name, or an error code. */
  async keep(from: Place, host: string, port: number): Promise<string> {
    return (await this.ask(from, { kind: 'keep', host, port, timeoutMs: PATIENCE_MS })) as string;
  }

  /** What the servers of kept connections say now. */
  async askKept(from: Place): Promise<string[]> {
    return (await this.ask(from, { kind: 'askKept', timeoutMs: PATIENCE_MS })) as string[];
  }

  async closeKept(from: Place): Promise<void> {
    await this.ask(from, { kind: 'closeKept' });
  }

  /** Begins an association; what came at `to`: `source-address destination-port`. @throws CommandError if nothing came */
  async sctp(from: Place, host: string, port: number, to: Place): Promise<string> {
    const arrived = new AbortController();
    const send = ['perl', SCTP_PROGRAM, 'send', host, String(port)];
    const sent = run([...this.in(from), ...send], { signal: arrived.signal }).catch(() => {});
    try {
      const receive = ['perl', SCTP_PROGRAM, 'receive', host.includes(':') ? '6' : '4'];
      return (await run([...this.in(to), ...receive])).stdout.trim();
    } finally {
      arrived.abort();
      await sent;
    }
  }

  /** Connects over and over; the returned function ends that and gives how many answered and what the others met. */
  async storm(from: Place, host: string, port: number): Promise<() => Promise<{ answered: number; failures: string[] }>> {
    const id = `${host} ${port}`;
    await this.ask(from, { kind: 'startStorm', id, host, port, timeoutMs: PATIENCE_MS });
    return async () => (await this.ask(from, { kind: 'stopStorm', id })) as { answered: number; failures: string[] };
  }

  async ip(place: Place, ...commands: string[]): Promise<void> {
    for (const command of commands) await run([...this.in(place), 'ip', ...command.split(' ')]);
  }

  private async sysctl(...settings: string[]): Promise<void> {
    await run([...this.in('node'), 'sysctl', '-qw', ...settings]);
  }

  private start(place: Place): void {
    const argv = [...this.in(place), process.execPath, PLACE_PROGRAM, place, this.socketOf(place)];
    run(argv, { timeoutMs: 0, signal: this.places.signal }).catch(() => {});
  }

  private async untilReady(place: Place): Promise<void> {
    for (let i = 0; ; i++) {
      try {
        await this.ask(place, { kind: 'askKept' });
        return;
      } catch (error) {
        if (i === 200) throw error;
        await new Promise(resolve => setTimeout(resolve, 50));
      }
    }
  }

  private ask(place: Place, wish: object): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const asked = request({ socketPath: this.socketOf(place), method: 'POST', agent: false }, response => {
        let body = '';
        response.on('data', (data: Buffer) => (body += data.toString())).on('end', () => resolve(JSON.parse(body)));
        response.on('error', reject);
      });
      asked.on('error', reject).end(JSON.stringify(wish));
    });
  }

  private socketOf(place: Place): string {
    return join(this.folder, `${place}.sock`);
  }

  private nameOf(place: Place): string {
    return `${this.id}-${place}`;
  }
}
