/**
 * The wire between hosts: a bridge in a namespace of its own, with no way out. Packets for elsewhere are answered "unreachable" at once.
 */
import { run } from './command.ts';
import { namePrefix } from './clear-estate.ts';
import type { Estate } from './estate.ts';
import { addNamespace, inNamespace } from './network-namespace.ts';

/** Which addresses hosts have, the primary family first. */
export type Families = readonly ('IPv4' | 'IPv6')[];

/** Of the lab; no route of the host's own namespace leads there unless `attachRoot` makes one. */
const SUBNET = '10.231.0';
const SUBNET6 = 'fd00:231:';
const GATEWAY = 254;
const BRIDGE = 'wire';

export class LabNetwork {
  readonly namespace: string;
  private readonly estate: Estate;

  private readonly families: Families;

  constructor(estate: Estate, families: Families = ['IPv4']) {
    this.estate = estate;
    this.families = families;
    this.namespace = `${namePrefix(estate.id)}wire`;
  }

  /** Addresses of the host with that number, 1 to 200: one of each family. */
  addressesOf(index: number): string[] {
    return this.families.map(family => (family === 'IPv4' ? `${SUBNET}.${index}` : `${SUBNET6}:${index.toString(16)}`));
  }

  private addressOf(index: number): string {
    return this.addressesOf(index)[0] ?? '';
  }

  async create(): Promise<void> {
    await addNamespace(this.namespace);
    await this.inside('ip', 'link', 'add', BRIDGE, 'type', 'bridge');
    for (const address of this.addressesOf(GATEWAY)) await this.inside(...addAddress(address, BRIDGE));
    await this.inside('ip', 'link', 'set', BRIDGE, 'up');
    await this.inside(
      'sh',
      '-c',
      'echo 1 | tee /proc/sys/net/ipv4/ip_forward > /proc/sys/net/ipv6/conf/all/forwarding',
    );
  }

  /** Gives a host's namespace its eth0. */
  async attach(namespace: string, index: number): Promise<void> {
    const port = `p${index}`;
    await this.inside('ip', 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
    await this.inside('ip', 'link', 'set', port, 'master', BRIDGE, 'up');
    const there = (...argv: string[]) => run(inNamespace(namespace, argv));
    for (const address of this.addressesOf(index)) await there(...addAddress(address, 'eth0'));
    await there('ip', 'link', 'set', 'eth0', 'up');
    for (const gateway of this.addressesOf(GATEWAY)) await there('ip', 'route', 'add', 'default', 'via', gateway);
  }

  /** Lets the host's own namespace reach the hosts, and `ranges` by way of the first of them. */
  async attachRoot(ranges: readonly string[]): Promise<void> {
    const name = `${namePrefix(this.estate.id)}root`;
    await this.inside('ip', 'link', 'add', 'p0', 'type', 'veth', 'peer', 'name', name, 'netns', '1');
    await this.inside('ip', 'link', 'set', 'p0', 'master', BRIDGE, 'up');
    for (const address of this.addressesOf(253)) await run(addAddress(address, name));
    await run(['ip', 'link', 'set', name, 'up']);
    for (const range of ranges) await run(['ip', 'route', 'add', range, 'via', this.addressOf(1), 'dev', name]);
  }

  private inside(...argv: string[]): Promise<string> {
    return run(inNamespace(this.namespace, argv));
  }
}

/** Without the second that the kernel would take to see whether somebody else has an IPv6 address. */
function addAddress(address: string, device: string): string[] {
  const isV6 = address.includes(':');
  const rest = isV6 ? ['nodad'] : [];
  return ['ip', 'address', 'add', `${address}/${isV6 ? 64 : 24}`, 'dev', device, ...rest];
}
