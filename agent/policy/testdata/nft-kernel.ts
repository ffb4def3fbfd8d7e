/**
 * A small nftables: takes the commands that we render, refuses what the kernel would refuse, and judges packets by what then stands. It knows
 * just the statements that our rules are made of, and throws on others.
 */
import type { NftCommand, NftElement } from '../../node-iptables/plan/nft.ts';
import { isInBlock } from './oracle.ts';
import type { Packet } from './packet.ts';

type Verdict = 'accept' | 'drop' | 'return' | 'continue';

export class NftKernel {
  private readonly sets = new Map<string, Map<string, string>>();
  private readonly chains = new Map<string, string[]>();

  apply(commands: readonly NftCommand[]): void {
    for (const command of commands) this.one(command);
    for (const map of this.sets.values()) {
      for (const verdict of map.values())
        if (verdict !== '' && !this.chains.has(verdict.replace('jump ', ''))) throw new Error(`dangling ${verdict}`);
    }
    for (const rules of this.chains.values()) {
      for (const [, set = ''] of rules.join(' ').matchAll(/@([\w-]+)/g))
        if (!this.sets.has(set)) throw new Error(`no set ${set}`);
    }
  }

  get isEmpty(): boolean {
    return this.chains.size + this.sets.size === 0;
  }

  /** Names of everything, to see what was left behind. */
  names(): string[] {
    return [...this.sets.keys(), ...this.chains.keys()].sort();
  }

  isPassed(packet: Packet): boolean {
    return this.run(packet.hook, packet) !== 'drop';
  }

  private one(command: NftCommand): void {
    switch (command.kind) {
      case 'removeTable':
        this.sets.clear();
        this.chains.clear();
        return;
      case 'addTable':
        return;
      case 'addSet':
      case 'addMap':
        if (!this.sets.has(command.name)) this.sets.set(command.name, new Map());
        return;
      case 'deleteSet':
        if (!this.sets.delete(command.name)) throw new Error(`no set ${command.name}`);
        return;
      case 'addChain':
        if (!this.chains.has(command.chain)) this.chains.set(command.chain, []);
        return;
      case 'deleteChain':
        if (!this.chains.delete(command.chain)) throw new Error(`no chain ${command.chain}`);
        return;
      case 'addRule':
        if (typeof command.statement !== 'string') throw new Error('statements are text here');
        this.rulesOf(command.chain).push(command.statement);
        return;
      case 'addElements':
        for (const [key, value] of command.elements.map(split)) {
          const before = this.set(command.set).get(key);
          if (before !== undefined && before !== value) throw new Error(`${key} is in ${command.set} already`);
          this.set(command.set).set(key, value);
        }
        return;
      case 'deleteElements':
        for (const [key] of command.elements.map(split))
          if (!this.set(command.set).delete(key)) throw new Error(`${key} is not in ${command.set}`);
        return;
      default:
        throw new Error(`unknown command ${command.kind}`);
    }
  }

  private run(chain: string, packet: Packet): Verdict {
    for (const statement of this.rulesOf(chain)) {
      const verdict = this.rule(statement, packet);
      if (verdict === 'accept' || verdict === 'drop') return verdict;
      if (verdict === 'return') return 'continue';
    }
    return 'continue';
  }

  private rule(statement: string, packet: Packet): Verdict {
    let rest = statement;
    const family = packet.from.includes(':') ? 'ip6' : 'ip';
    const field = (side: string): string => (side === 'saddr' ? packet.from : packet.to);
    for (;;) {
      const [head = '', ...groups] =
        /^(?:(counter) |(accept|drop|return)$|ct state related (accept)$|ct direction reply ct state established (accept)$|icmpv6 type \{.*\} (accept)$|ip6 daddr fe80::\/10 (drop)$|ip6 saddr fe80::\/10 ip6 daddr != ff00::\/8 (drop)$)/.exec(
          rest,
        ) ?? [];
      if (groups[0] === 'counter') {
        rest = rest.slice(head.length);
        continue;
      }
      if (groups[1] !== undefined) return groups[1] as Verdict;
      // No packet of ours is a reply, related, of neighbour discovery or between links.
      if (head !== '') return 'continue';
      const pair = /^(ip6?) saddr \. ip6? daddr @([\w-]+) /.exec(rest);
      if (pair !== null) {
        if (pair[1] !== family || !this.set(pair[2] ?? '').has(`${packet.from} . ${packet.to}`)) return 'continue';
        rest = rest.slice(pair[0].length);
        continue;
      }
      const vmap = /^(ip6?) (saddr|daddr) vmap @([\w-]+)$/.exec(rest);
      if (vmap !== null) {
        const target = vmap[1] === family ? this.set(vmap[3] ?? '').get(field(vmap[2] ?? '')) : undefined;
        return target === undefined ? 'continue' : this.run(target.replace('jump ', ''), packet);
      }
      const named = /^(ip6?) daddr \. meta l4proto \. th dport @([\w-]+) /.exec(rest);
      if (named !== null) {
        const key = `${packet.to} . ${packet.protocol.toLowerCase()} . ${packet.port}`;
        if (named[1] !== family || !this.set(named[2] ?? '').has(key)) return 'continue';
        rest = rest.slice(named[0].length);
        continue;
      }
      const inSet = /^(ip6?) (saddr|daddr) @([\w-]+) /.exec(rest);
      if (inSet !== null) {
        const address = field(inSet[2] ?? '');
        const keys = [...this.set(inSet[3] ?? '').keys()];
        const isIn = keys.some(key => (key.includes('/') ? isInBlock(address, key) : key === address));
        if (inSet[1] !== family || !isIn) return 'continue';
        rest = rest.slice(inSet[0].length);
        continue;
      }
      const ports = /^(tcp|udp|sctp) dport \{ ([^}]*) \} /.exec(rest);
      if (ports === null) throw new Error(`unknown statement: ${rest}`);
      const isIn = (ports[2] ?? '').split(', ').some(text => {
        const [from = '', to = from] = text.split('-');
        return packet.port >= Number(from) && packet.port <= Number(to);
      });
      if (ports[1] !== packet.protocol.toLowerCase() || !isIn) return 'continue';
      rest = rest.slice(ports[0].length);
    }
  }

  private set(name: string): Map<string, string> {
    const set = this.sets.get(name);
    if (set === undefined) throw new Error(`no set ${name}`);
    return set;
  }

  private rulesOf(name: string): string[] {
    const rules = this.chains.get(name);
    if (rules === undefined) throw new Error(`no chain ${name}`);
    return rules;
  }
}

function split(element: NftElement): [string, string] {
  if (typeof element !== 'string') throw new Error('elements are text here');
  const colon = element.indexOf(' : ');
  return colon < 0 ? [element, ''] : [element.slice(0, colon), element.slice(colon + 3)];
}
