/**
 * A node, three pods on its bridge and a client outside, as network namespaces with real links and both address families. Needs root.
 *
 * ```
 * client 192.0.2.2, 2001:db8::2 --- node --- bridge --- a 10.244.0.3, fd00::3; b …4; c …5
 * ```
 * In each a process answers on ports and probes others when asked. The node answers DNS at 10.96.0.10.
 */
import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { createInterface } from 'node:readline';
import { run } from '../../host/exec.ts';

export type Place = 'node' | 'a' | 'b' | 'c' | 'client';

export const PODS = ['a', 'b', 'c'] as const;

export const ADDRESSES: Record<Exclude<Place, 'node'>, readonly [string, string]> = {
  a: ['10.244.0.3', 'fd00::3'],
  b: ['10.244.0.4', 'fd00::4'],
  c: ['10.244.0.5', 'fd00::5'],
  client: ['192.0.2.2', '2001:db8::2'],
};

export const DNS_ADDRESS = '10.96.0.10';

/** Answers on its ports, and does what lines of JSON on its input say. */
const AGENT = `
const net = require('node:net'), dgram = require('node:dgram');
const [tcp, udp] = JSON.parse(process.argv[1]);
for (const port of tcp) net.createServer(s => s.on('error', () => {}).pipe(s)).listen(port, '::');
for (const port of udp) { const s = dgram.createSocket({ type: 'udp6', ipv6Only: false }); s.on('message', (m, f) => s.send(m, f.port, f.address)).bind(port); }
const open = new Map();
const tcpOnce = (host, port, ms, localAddress) => new Promise(done => {
  const s = net.connect({ host, port, localAddress });
  const t = setTimeout(() => { s.destroy(); done('timeout'); }, ms);
  s.on('connect', () => { clearTimeout(t); s.destroy(); done('ok'); }).on('error', e => { clearTimeout(t); done(e.code); });
});
const udpOnce = (host, port, ms) => new Promise(done => {
  const s = dgram.createSocket(host.includes(':') ? 'udp6' : 'udp4');
  const send = () => s.send('x', port, host);
  const again = setInterval(send, 200);
  const end = what => { clearTimeout(t); clearInterval(again); s.close(); done(what); };
  const t = setTimeout(() => end('timeout'), ms);
  s.on('message', () => end('ok')).on('error', e => end(e.code));
  send();
});
const acts = {
  tcp: q => tcpOnce(q.host, q.port, q.ms, q.from),
  udp: q => udpOnce(q.host, q.port, q.ms),
  open: q => new Promise(done => { const s = net.connect(q.port, q.host, () => { open.set(q.name, s); done('ok'); }).on('error', e => done(e.code)); }),
  say: q => new Promise(done => {
    const s = open.get(q.name);
    const t = setTimeout(() => done('timeout'), q.ms);
    s.once('data', () => { clearTimeout(t); done('ok'); });
    s.write('x');
  }),
  steady: q => new Promise(done => {
    const s = dgram.createSocket(q.host.includes(':') ? 'udp6' : 'udp4');
    let sent = 0, answered = 0;
    s.on('message', () => answered++);
    // Each datagram is a flow of its own where sockets are: one socket is one flow, which is what is wanted here.
    const t = setInterval(() => { sent++; s.send('x', q.port, q.host); }, 5);
    open.set(q.name, { stop: () => { clearInterval(t); setTimeout(() => { s.close(); done({ sent, answered }); }, 300); } });
  }),
  stop: async q => { open.get(q.name).stop(); return 'ok'; },
};
require('node:readline').createInterface({ input: process.stdin }).on('line', async line => {
  const q = JSON.parse(line);
  console.log(JSON.stringify({ id: q.id, result: await acts[q.kind](q) }));
});
console.log(JSON.stringify({ id: 0, result: 'up' }));
`;

interface Question {
  readonly kind: 'tcp' | 'udp' | 'open' | 'say' | 'steady' | 'stop';
  readonly host?: string;
  /** The address to ask from; default the usual one. */
  readonly from?: string;
  readonly port?: number;
  readonly ms?: number;
  readonly name?: string;
}

export class PolicyLab {
  private readonly id: string;
  private readonly agents = new Map<Place, ChildProcessWithoutNullStreams>();
  private readonly waiting = new Map<number, (result: unknown) => void>();
  private next = 1;

  constructor(id: string) {
    this.id = id;
  }

  /** Words that run a command in a namespace. */
  in(place: Place): string[] {
    return ['nsenter', `--net=/run/netns/${this.id}-${place}`];
  }

  async up(): Promise<void> {
    for (const place of ['node', ...PODS, 'client'] as const) {
      await run(['ip', 'netns', 'add', `${this.id}-${place}`]);
      await this.ip(place, 'link set lo up');
    }
    await this.ip('node', 'link add br0 type bridge', 'addr add 10.244.0.1/24 dev br0', 'link add svc0 type bridge');
    await this.ip('node', 'addr add fd00::1/64 dev br0 nodad', 'link set br0 up', 'link set svc0 up');
    await this.ip('node', `addr add ${DNS_ADDRESS}/32 dev svc0`, 'route add 10.96.0.0/16 dev svc0');
    for (const pod of PODS) {
      const [v4, v6] = ADDRESSES[pod];
      await this.ip('node', `link add v${pod} type veth peer name eth0 netns ${this.id}-${pod}`);
      await this.ip('node', `link set v${pod} master br0 up`, `link set v${pod} type bridge_slave hairpin on`);
      await this.ip(pod, `addr add ${v4}/24 dev eth0`, `addr add ${v6}/64 dev eth0 nodad`, 'link set eth0 up');
      await this.ip(pod, 'route add default via 10.244.0.1', '-6 route add default via fd00::1');
    }
    const [v4, v6] = ADDRESSES.client;
    await this.ip('node', `link add out type veth peer name eth0 netns ${this.id}-client`, 'link set out up');
    await this.ip('node', 'addr add 192.0.2.1/24 dev out', 'addr add 2001:db8::1/64 dev out nodad');
    await this.ip('client', `addr add ${v4}/24 dev eth0`, `addr add ${v6}/64 dev eth0 nodad`, 'link set eth0 up');
    await this.ip('client', 'route add default via 192.0.2.1', '-6 route add default via 2001:db8::1');
    const keys = ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding', 'net.bridge.bridge-nf-call-iptables'];
    await run([...this.in('node'), 'sysctl', '-qw', ...keys.map(key => `${key}=1`)]);
    await run([...this.in('node'), 'sysctl', '-qw', 'net.bridge.bridge-nf-call-ip6tables=1']);
    const ports = [[80, 8080, 9090], [5353]];
    await Promise.all([...PODS, 'client' as const].map(place => this.start(place, ports)));
    await this.start('node', [[], [53]]);
  }

  async down(): Promise<void> {
    for (const agent of this.agents.values()) agent.kill('SIGKILL');
    for (const place of ['node', ...PODS, 'client'] as const)
      await run(['ip', 'netns', 'del', `${this.id}-${place}`]).catch(() => {});
  }

  ask(place: Place, question: Question): Promise<unknown> {
    const id = this.next++;
    return new Promise(resolve => {
      this.waiting.set(id, resolve);
      this.agents.get(place)?.stdin.write(JSON.stringify({ id, ...question }) + '\n');
    });
  }

  async ip(place: Place, ...commands: string[]): Promise<void> {
    for (const command of commands) await run([...this.in(place), 'ip', ...command.split(' ')]);
  }

  private start(place: Place, ports: readonly (readonly number[])[]): Promise<unknown> {
    const argv = [...this.in(place), process.execPath, '-e', AGENT, '--', JSON.stringify(ports)];
    const child = spawn(argv[0] ?? '', argv.slice(1));
    child.stderr.on('data', (data: Buffer) => process.stderr.write(data));
    this.agents.set(place, child);
    return new Promise(resolve => {
      createInterface({ input: child.stdout }).on('line', line => {
        const { id, result } = JSON.parse(line) as { id: number; result: unknown };
        if (id === 0) return resolve(result);
        this.waiting.get(id)?.(result);
        this.waiting.delete(id);
      });
    });
  }
}
