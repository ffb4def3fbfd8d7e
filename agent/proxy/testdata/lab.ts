/**
 * A node, two pods and a client outside, as network namespaces with real links between them. Needs root.
 *
 * ```
 * client 192.0.2.2 --- 192.0.2.1 node 10.244.0.1 --- bridge --- pod1 10.244.0.3, pod2 10.244.0.4
 * ```
 */
import { run } from '../../host/exec.ts';

const ECHO = `
const name = process.argv[1];
require('node:http').createServer((q, r) => r.setHeader('connection', 'close').end(name + ' ' + q.socket.remoteAddress)).listen(8080, '0.0.0.0');
const u = require('node:dgram').createSocket('udp4');
u.on('message', (m, from) => u.send(name + ' ' + from.address, from.port, from.address)).bind(5353);
`;

const FETCH = `
const [kind, host, port, count] = process.argv.slice(1);
const http = require('node:http'), dgram = require('node:dgram');
const one = () => new Promise(done => {
  if (kind === 'udp') {
    const s = dgram.createSocket('udp4');
    const t = setTimeout(() => { s.close(); done('timeout'); }, 400);
    s.on('message', m => { clearTimeout(t); s.close(); done(String(m)); });
    s.on('error', e => { clearTimeout(t); s.close(); done(e.code); });
    s.bind(40000, () => s.connect(Number(port), host, e => e ? done(e.code) : s.send('x')));
    return;
  }
  const q = http.get({ host, port, agent: false, timeout: 1500 }, r => { let b = ''; r.on('data', d => b += d); r.on('end', () => done(b)); });
  q.on('timeout', () => q.destroy(Object.assign(new Error(), { code: 'timeout' }))).on('error', e => done(e.code));
});
(async () => { const all = []; for (let i = 0; i < Number(count); i++) all.push(await one()); console.log(JSON.stringify(all)); })();
`;

export type Place = 'node' | 'pod1' | 'pod2' | 'client';

export class Lab {
  private readonly id: string;
  private readonly servers = new AbortController();

  constructor(id: string) {
    this.id = id;
  }

  /** Words that run a command in a namespace. */
  in(place: Place): string[] {
    return ['nsenter', `--net=/run/netns/${this.nameOf(place)}`];
  }

  async up(): Promise<void> {
    const places: Place[] = ['node', 'pod1', 'pod2', 'client'];
    for (const place of places) {
      await run(['ip', 'netns', 'add', this.nameOf(place)]);
      await this.ip(place, 'link set lo up');
    }
    await this.ip('node', 'link add cni0 type bridge', 'link add svc0 type bridge', 'link set svc0 up');
    await this.ip('node', 'addr add 10.244.0.1/24 dev cni0', 'link set cni0 up');
    await this.ip('node', 'route add 10.96.0.0/16 dev svc0', 'route add 203.0.113.0/24 dev svc0');
    for (const [place, address] of [
      ['pod1', '10.244.0.3'],
      ['pod2', '10.244.0.4'],
    ] as const) {
      await this.ip('node', `link add v${place} type veth peer name eth0 netns ${this.nameOf(place)}`);
      await this.ip('node', `link set v${place} master cni0 up`, `link set v${place} type bridge_slave hairpin on`);
      await this.ip(place, `addr add ${address}/24 dev eth0`, 'link set eth0 up', 'route add default via 10.244.0.1');
      this.serve(place);
    }
    this.serve('node');
    await this.ip('node', `link add out type veth peer name eth0 netns ${this.nameOf('client')}`);
    await this.ip('node', 'addr add 192.0.2.1/24 dev out', 'link set out up');
    await this.ip('client', 'addr add 192.0.2.2/24 dev eth0', 'link set eth0 up', 'route add default via 192.0.2.1');
    await run([
      ...this.in('node'),
      'sysctl',
      '-qw',
      'net.ipv4.ip_forward=1',
      'net.bridge.bridge-nf-call-iptables=1',
      'net.ipv4.conf.all.route_localnet=1',
    ]);
    for (const host of ['10.244.0.3', '10.244.0.4']) await this.untilAnswers('node', host, 8080);
  }

  async down(): Promise<void> {
    this.servers.abort();
    for (const place of ['node', 'pod1', 'pod2', 'client'] as const)
      await run(['ip', 'netns', 'del', this.nameOf(place)]).catch(() => {});
  }

  /** Answers of `count` connections, each `server-name client-address` or an error code. */
  async fetch(
    from: Place,
    host: string,
    port: number,
    options: { kind?: 'http' | 'udp'; count?: number } = {},
  ): Promise<string[]> {
    const argv = [
      ...this.in(from),
      'node',
      '-e',
      FETCH,
      '--',
      options.kind ?? 'http',
      host,
      String(port),
      String(options.count ?? 1),
    ];
    return JSON.parse((await run(argv)).stdout) as string[];
  }

  async ip(place: Place, ...commands: string[]): Promise<void> {
    await run([...this.in(place), 'ip', '-batch', '-'], { input: commands.join('\n') });
  }

  private serve(place: Place): void {
    run([...this.in(place), 'node', '-e', ECHO, '--', place], { timeoutMs: 0, signal: this.servers.signal }).catch(
      () => {},
    );
  }

  private async untilAnswers(from: Place, host: string, port: number): Promise<void> {
    for (let i = 0; i < 20; i++) if ((await this.fetch(from, host, port))[0]?.startsWith('pod') === true) return;
    throw new Error(`${host}:${port} does not answer`);
  }

  private nameOf(place: Place): string {
    return `${this.id}-${place}`;
  }
}
