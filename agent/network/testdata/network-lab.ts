/**
 * Nodes as network namespaces, each with a pod network of its own and pods made by the real CNI plugins. Needs root and
 * containernetworking-plugins.
 *
 * ```
 * a 192.0.2.1, 2001:db8:1::1    b 192.0.2.2, ...::2             c 198.51.100.3, 2001:db8:2::3
 *            `-- segment 1, MTU 1450 --´-- router (.254) -- segment 2 --´
 * ```
 */
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { nodes as nodeResource } from '../../../machinery/client/resource.ts';
import { systemClock } from '../../../machinery/process/clock.ts';
import { silentLogger } from '../../../machinery/process/logger.ts';
import type { Node } from '../../../proto/api/core-v1.ts';
import { CommandError } from '../../host/command-error.ts';
import { run, type Run } from '../../host/exec.ts';
import { Links } from '../../host/links.ts';
import { Iptables, RuleEvents } from '../../node-iptables/index.ts';
import { ManualInformer } from '../../proxy/testdata/objects.ts';
import { findCniPlugins } from '../cni-directory.ts';
import { IptablesRules, NftablesRules } from '../network-rules.ts';
import { PodNetwork } from '../pod-network.ts';
import type { Encapsulation } from '../plan/pod-routes.ts';
import { ServiceRange } from '../service-range.ts';

export const NODES = {
  a: { segment: 1, addresses: ['192.0.2.1', '2001:db8:1::1'], ranges: ['10.244.0.0/24', 'fd00:10:0:1::/64'] },
  b: { segment: 1, addresses: ['192.0.2.2', '2001:db8:1::2'], ranges: ['10.244.1.0/24', 'fd00:10:0:2::/64'] },
  c: { segment: 2, addresses: ['198.51.100.3', '2001:db8:2::3'], ranges: ['10.244.2.0/24', 'fd00:10:0:3::/64'] },
} as const;
export type NodeName = keyof typeof NODES;
export const NAMES = Object.keys(NODES) as NodeName[];

const ROUTER = { 1: ['192.0.2.254/24', '2001:db8:1::254/64'], 2: ['198.51.100.254/24', '2001:db8:2::254/64'] } as const;

/** bash connects by itself, in milliseconds. */
const CONNECT = 'exec 3<>"/dev/tcp/$0/$1"';
const ASK = 'cat <"/dev/tcp/$0/$1"';
const ASK_FROM =
  "const [localAddress, host, port] = process.argv.slice(1); let b = ''; require('node:net').connect({ host, port: Number(port), localAddress }).on('data', d => b += d).on('end', () => { console.log(b); process.exit(0); }).on('error', () => process.exit(1)).setTimeout(1500, () => process.exit(1))";
const ASK_UDP =
  "const [host, port] = process.argv.slice(1); const s = require('node:dgram').createSocket(host.includes(':') ? 'udp6' : 'udp4'); s.on('message', m => { console.log(String(m)); process.exit(0); }).send('x', Number(port), host); setTimeout(() => process.exit(1), 1500)";
const SERVE =
  "const [port] = process.argv.slice(1); require('node:net').createServer(s => s.end(s.remoteAddress)).listen(Number(port), '::'); const u = require('node:dgram').createSocket('udp6'); u.on('message', (m, from) => u.send(from.address, from.port, from.address)).bind(Number(port), '::')";
/** One node's pod network. */
export interface LabNode {
  readonly network: PodNetwork;
  readonly running: Promise<void>;
  readonly inside: Run;
  readonly confDir: string;
  readonly cacheDir: string;
}

export class NetworkLab {
  readonly nodes = new ManualInformer<Node>(nodeResource);
  private readonly id: string;
  private readonly stop = new AbortController();
  private readonly servers = new AbortController();
  private readonly labNodes = new Map<NodeName, LabNode>();
  private readonly isOfFamily: (text: string) => boolean;
  private pluginDir = '';
  private dir = '';

  /** @param families of pods, services and nodes */
  constructor(id: string, families: readonly (4 | 6)[] = [4, 6]) {
    this.id = id;
    this.isOfFamily = text => families.includes(text.includes(':') ? 6 : 4);
  }

  async up(filter: 'iptables' | 'nftables', mode: Encapsulation = 'auto'): Promise<void> {
    const plugins = await findCniPlugins();
    if (plugins.kind === 'missing') throw new Error(plugins.message);
    this.pluginDir = plugins.dir;
    this.dir = await mkdtemp(path.join(tmpdir(), `${this.id}-`));
    await this.wire();
    for (const name of NAMES) await this.start(name, filter, mode);
  }

  async down(): Promise<void> {
    this.servers.abort();
    await this.stopAll();
    const all = (await readdir('/run/netns')).filter(name => name.startsWith(`${this.id}-`));
    for (const name of all) await run(['ip', 'netns', 'del', name]);
    await rm(this.dir, { recursive: true, force: true });
  }

  /** The networks end as when k8ts does; what they made stays. */
  async stopAll(): Promise<void> {
    this.stop.abort();
    for (const { running } of this.labNodes.values()) await running;
  }

  node(name: NodeName): LabNode {
    const found = this.labNodes.get(name);
    if (found === undefined) throw new Error(`no node ${name}`);
    return found;
  }

  nodeObject(name: NodeName, more: { addresses?: readonly string[]; ranges?: readonly string[] } = {}): Node {
    const { addresses, ranges } = { ...NODES[name], ...more };
    return {
      metadata: { name },
      spec: { podCIDRs: ranges.filter(this.isOfFamily) },
      status: { addresses: addresses.filter(this.isOfFamily).map(address => ({ type: 'InternalIP', address })) },
    };
  }

  /** In a node, or a pod by its name. */
  in(place: string): Run {
    return (argv, options) => run(['nsenter', `--net=/run/netns/${this.id}-${place}`, ...argv], options);
  }

  async text(place: string, ...argv: string[]): Promise<string> {
    return (await this.in(place)(argv)).stdout;
  }

  /** What a runtime does for a pod: the plugins of the configuration, in order, and libcni's memory of it. Gives the pod's addresses. */
  async addPod(node: NodeName, pod: string, ports: readonly object[] = [], bandwidth?: object): Promise<string[]> {
    const { inside, confDir, cacheDir } = this.node(node);
    await run(['ip', 'netns', 'add', `${this.id}-${pod}`]);
    await this.ip(pod, ['link set lo up']);
    const text = await readFile(path.join(confDir, '10-k8ts.conflist'), 'utf8');
    const config = JSON.parse(text) as { cniVersion: string; name: string; plugins: { type: string }[] };
    let prevResult: unknown;
    for (const plugin of config.plugins) {
      const { cniVersion, name } = config;
      const input = JSON.stringify({ ...plugin, cniVersion, name, prevResult, runtimeConfig: { portMappings: ports, bandwidth } });
      const env = {
        PATH: process.env['PATH'],
        CNI_COMMAND: 'ADD',
        CNI_CONTAINERID: pod,
        CNI_NETNS: `/run/netns/${this.id}-${pod}`,
        CNI_IFNAME: 'eth0',
        CNI_PATH: this.pluginDir,
      };
      prevResult = JSON.parse((await inside([path.join(this.pluginDir, plugin.type)], { input, env })).stdout);
    }
    const memory = {
      kind: 'cniCacheV1',
      containerId: pod,
      ifName: 'eth0',
      networkName: config.name,
      config: Buffer.from(text).toString('base64'),
      capabilityArgs: { portMappings: ports },
      result: prevResult,
    };
    await mkdir(cacheDir, { recursive: true });
    await writeFile(path.join(cacheDir, `k8ts-${pod}-eth0`), JSON.stringify(memory));
    return (prevResult as { ips: { address: string }[] }).ips.map(ip => ip.address.split('/')[0] ?? '');
  }

  /** The sandbox goes. */
  async removePod(node: NodeName, pod: string): Promise<void> {
    await rm(path.join(this.node(node).cacheDir, `k8ts-${pod}-eth0`));
    await run(['ip', 'netns', 'del', `${this.id}-${pod}`]);
  }

  /** Whether anybody answers there, be it that the port is closed. */
  answers(from: string, to: string, port = 1): Promise<boolean> {
    return this.connect(from, CONNECT, to, port).then(
      () => true,
      (error: unknown) => error instanceof CommandError && error.stderr.includes('Connection refused'),
    );
  }

  /** Serves the address that a client is seen by, by TCP and UDP. */
  serve(place: string, port: number): void {
    const running = this.in(place)(['node', '-e', SERVE, '--', String(port)], { timeoutMs: 0, signal: this.servers.signal });
    running.catch(() => {});
  }

  /** By which address `from` is seen there; undefined if nothing answers. */
  async seenAs(from: string, to: string, port: number): Promise<string | undefined> {
    return this.connect(from, ASK, to, port).then(
      ({ stdout }) => stdout.trim().replace(/^::ffff:/, ''),
      () => undefined,
    );
  }

  /** The same for one that asks by an address of its own choice. */
  async seenFrom(from: string, localAddress: string, to: string, port: number): Promise<string | undefined> {
    return this.ask(from, ['node', '-e', ASK_FROM, '--', localAddress, to, String(port)]);
  }

  /** The same by UDP. */
  async seenByUdp(from: string, to: string, port: number): Promise<string | undefined> {
    return this.ask(from, ['node', '-e', ASK_UDP, '--', to, String(port)]);
  }

  private ask(from: string, argv: readonly string[]): Promise<string | undefined> {
    return this.in(from)(argv).then(
      ({ stdout }) => stdout.trim().replace(/^::ffff:/, ''),
      () => undefined,
    );
  }

  private connect(from: string, script: string, to: string, port: number): ReturnType<Run> {
    return this.in(from)(['env', 'LC_ALL=C', 'timeout', '1.5', 'bash', '-c', script, to, String(port)]);
  }

  private async wire(): Promise<void> {
    for (const name of [...NAMES, 'router']) {
      await run(['ip', 'netns', 'add', `${this.id}-${name}`]);
      await this.ip(name, ['link set lo up']);
    }
    for (const segment of [1, 2] as const) {
      const bridge = `seg${segment}`;
      await this.ip('router', [
        `link add name ${bridge} mtu 1450 type bridge`,
        `link set ${bridge} up`,
        ...ROUTER[segment].map(address => `addr add ${address} dev ${bridge}${address.includes(':') ? ' nodad' : ''}`),
      ]);
    }
    for (const name of NAMES) {
      const { segment, addresses } = NODES[name];
      await this.ip('router', [
        `link add name p${name} mtu 1450 type veth peer name up0 netns ${this.id}-${name}`,
        `link set p${name} master seg${segment} up`,
      ]);
      const [four = '', six = ''] = ROUTER[segment].map(address => address.split('/')[0]);
      await this.ip(name, [
        'link set up0 mtu 1450 up',
        ...addresses.map(one => `addr add ${one}/${one.includes(':') ? '64 nodad' : '24'} dev up0`),
        `route add default via ${four}`,
        `route add default via ${six}`,
      ]);
    }
    await this.in('router')(['sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1']);
  }

  private async start(name: NodeName, filter: 'iptables' | 'nftables', mode: Encapsulation): Promise<void> {
    const prefix = ['nsenter', `--net=/run/netns/${this.id}-${name}`];
    const inside = this.in(name);
    const links = new Links(inside);
    const [confDir, cacheDir] = ['net.d', 'cache'].map(one => path.join(this.dir, name, one)) as [string, string];
    const readSysctl = async (key: string): Promise<string> => (await inside(['sysctl', '-n', key])).stdout.trim();
    const ruleEvents = new RuleEvents({ prefix });
    void ruleEvents.run(this.stop.signal);
    const network = new PodNetwork({
      ruleChanges: ruleEvents,
      nodes: this.nodes,
      nodeName: name,
      links,
      mode,
      cniConfDir: confDir,
      cniIpamDir: path.join(this.dir, name, 'ipam'),
      cniCacheDir: cacheDir,
      rules:
        filter === 'iptables'
          ? new IptablesRules((['ipv4', 'ipv6'] as const).map(family => new Iptables({ family, prefix })), { prefix })
          : new NftablesRules({ prefix }),
      serviceRange: new ServiceRange({
        links,
        serviceCIDRs: ['10.96.0.0/16', 'fd00:96::/112'].filter(this.isOfFamily),
        localServiceIPs: ['10.96.0.10', 'fd00:96::a'].filter(this.isOfFamily),
      }),
      sysctls: {
        set: async (key, value) => {
          if ((await readSysctl(key)) === value) return 'already';
          await inside(['sysctl', '-qw', `${key}=${value}`]);
          return 'set';
        },
      },
      prefix,
      readSysctl,
      bridge: 'k8ts0',
      vxlanId: 84,
      vxlanPort: 8472,
      clusterCIDRs: ['10.244.0.0/16', 'fd00:10::/48'].filter(this.isOfFamily),
      clock: systemClock,
      log: silentLogger,
      // Long, so that what is repaired soon is repaired because it was told.
      checkMs: 60_000,
    });
    this.labNodes.set(name, { network, running: network.run(this.stop.signal), inside, confDir, cacheDir });
    await network.ready();
  }

  private async ip(place: string, commands: readonly string[]): Promise<void> {
    await this.in(place)(['ip', '-batch', '-'], { input: commands.join('\n') + '\n' });
  }
}
