/**
 * The wire between hosts: a bridge in a namespace of its own, with no way out. Packets for elsewhere are answered "unreachable" at once.
 * With more than one segment it is as many bridges and a router between them, which knows nothing of pods.
 */
import { run } from './command.ts';
import { namePrefix } from './clear-estate.ts';
import type { Estate } from './estate.ts';
import { addNamespace, inNamespace } from './network-namespace.ts';

/** Which addresses hosts have, the primary family first. */
export type Families = readonly ('IPv4' | 'IPv6')[];

/** Of the lab; no route of the host's own namespace leads there unless `attachRoot` makes one. */
const SUBNET = '10.231';
const SUBNET6 = 'fd00:231';
const GATEWAY = 254;
const BRIDGE = 'wire';

export class LabNetwork {
  readonly namespace: string;
  private readonly estate: Estate;

  private readonly families: Families;
  private readonly segments: number;

  /** @param segments hosts take turns on them, the first on the first */
  constructor(estate: Estate, families: Families = ['IPv4'], segments = 1) {
    this.estate = estate;
    this.families = families;
    this.segments = segments;
    this.namespace = `${namePrefix(estate.id)}wire`;
  }

  /** Addresses of the host with that number, 1 to 200: one of each family. */
  addressesOf(index: number): string[] {
    return this.addressesOn(this.segmentOf(index), index);
  }

  private segmentOf(index: number): number {
    return (index - 1) % this.segments;
  }

  private addressesOn(segment: number, index: number): string[] {
    return this.families.map(family =>
      family === 'IPv4' ? `${SUBNET}.${segment}.${index}` : `${SUBNET6}:${segment + 1}::${index.toString(16)}`,
    );
  }

  async create(): Promise<void> {
    await addNamespace(this.namespace);
    for (let segment = 0; segment < this.segments; segment++) {
      const bridge = `${BRIDGE}${segment}`;
      await this.inside('ip', 'link', 'add', bridge, 'type', 'bridge');
      for (const address of this.addressesOn(segment, GATEWAY)) await this.inside(...addAddress(address, bridge));
      await this.inside('ip', 'link', 'set', bridge, 'up');
    }
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
    const segment = this.segmentOf(index);
    await this.inside('ip', 'link', 'set', port, 'master', `${BRIDGE}${segment}`, 'up');
    const there = (...argv: string[]) => run(inNamespace(namespace, argv));
    for (const address of this.addressesOf(index)) await there(...addAddress(address, 'eth0'));
    await there('ip', 'link', 'set', 'eth0', 'up');
    for (const gateway of this.addressesOn(segment, GATEWAY))
      await there('ip', 'route', 'add', 'default', 'via', gateway);
  }

  /** Lets the host's own namespace reach the hosts, and `ranges` by way of the first of them. */
  async attachRoot(ranges: readonly string[]): Promise<void> {
    const name = `${namePrefix(this.estate.id)}root`;
    await this.inside('ip', 'link', 'add', 'p0', 'type', 'veth', 'peer', 'name', name, 'netns', '1');
    await this.inside('ip', 'link', 'set', 'p0', 'master', `${BRIDGE}0`, 'up');
    for (const address of this.addressesOn(0, 253)) await run(addAddress(address, name));
    await run(['ip', 'link', 'set', name, 'up']);
    for (const range of ranges)
      await run(['ip', 'route', 'add', range, 'via', this.addressesOf(1)[0] ?? '', 'dev', name]);
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
