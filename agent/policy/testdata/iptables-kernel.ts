/**
 * A small iptables with sets: carries out steps as the commands would, refuses what they would refuse, and judges packets by what then
 * stands. `onStep` sees the state after each command, as a packet might.
 */
import type { IpsetCommand } from '../../node-iptables/plan/ipset.ts';
import type { SavedTables } from '../../node-iptables/plan/parse-save.ts';
import { parseRule } from '../../node-iptables/plan/parse-rule.ts';
import { renderRule } from '../../node-iptables/plan/render-rule.ts';
import type { TableChange } from '../../node-iptables/plan/restore.ts';
import type { Match, Rule } from '../../node-iptables/plan/rule.ts';
import type { IpFamily } from '../../../machinery/meta/ip-number.ts';
import type { Found, IptablesStep } from '../plan/iptables-steps.ts';
import { isInBlock } from './oracle.ts';
import type { Packet } from './packet.ts';

type Verdict = 'accept' | 'drop' | 'continue';

export class IptablesKernel {
  private readonly sets = new Map<string, Set<string>>();
  private readonly tables = new Map<IpFamily, Map<string, Rule[]>>(
    (['IPv4', 'IPv6'] as const).map(family => [family, new Map([['FORWARD', []], ['INPUT', []]])]),
  );

  carryOut(steps: readonly IptablesStep[], onStep: () => void = () => {}): void {
    for (const step of steps) {
      if (step.kind === 'sets') {
        // Each line takes effect by itself.
        for (const command of step.commands) {
          this.setCommand(command);
          onStep();
        }
      } else if (step.kind === 'destroy') for (const set of step.sets) this.setCommand({ kind: 'destroy', set });
      else this.restore(step.family, step.change);
      onStep();
    }
  }

  look(): Found {
    const tables = new Map<IpFamily, SavedTables>();
    for (const [family, chains] of this.tables) {
      const saved = [...chains].map(([name, rules]) => {
        const texts = rules.map(rule => ({ text: renderRule(rule, family === 'IPv4' ? 'ipv4' : 'ipv6') }));
        return [name, { counters: { packets: 0, bytes: 0 }, rules: texts }] as const;
      });
      tables.set(family, new Map([['mangle', new Map(saved)]]));
    }
    return { tables, sets: new Map([...this.sets].map(([name, entries]) => [name, [...entries]])) };
  }

  /** Names of everything, to see what was left behind. */
  names(): string[] {
    const own = [...this.tables.values()].flatMap(chains => [...chains.keys()].filter(name => name.startsWith('K8TS')));
    return [...this.sets.keys(), ...own].sort();
  }

  isPassed(packet: Packet): boolean {
    return this.run(packet.hook.toUpperCase(), packet) !== 'drop';
  }

  private setCommand(command: IpsetCommand): void {
    const set = this.sets.get(command.set);
    if (command.kind === 'create') {
      if (set === undefined) this.sets.set(command.set, new Set());
      return;
    }
    if (set === undefined) throw new Error(`no set ${command.set}`);
    switch (command.kind) {
      case 'add':
        set.add(command.entry);
        return;
      case 'del':
        set.delete(command.entry);
        return;
      case 'flush':
        set.clear();
        return;
      case 'destroy':
        if (this.uses(command.set)) throw new Error(`${command.set} is in use`);
        this.sets.delete(command.set);
        return;
      case 'swap': {
        const other = this.sets.get(command.other);
        if (other === undefined) throw new Error(`no set ${command.other}`);
        this.sets.set(command.set, other);
        this.sets.set(command.other, set);
        return;
      }
      default:
        throw new Error(`unknown command ${command.kind}`);
    }
  }

  private uses(set: string): boolean {
    return [...this.tables.values()].some(chains =>
      [...chains.values()].some(rules =>
        rules.some(({ matches }) => matches?.some(match => match.kind === 'set' && match.name === set)),
      ),
    );
  }

  private restore(family: IpFamily, change: TableChange): void {
    const chains = new Map(this.tables.get(family));
    const parsed = (rule: Rule | string): Rule => (typeof rule === 'string' ? parseRule(rule) : rule);
    for (const [name, rules] of change.chains ?? []) chains.set(name, rules.map(parsed));
    for (const { chain, rule } of change.insert ?? []) chains.set(chain, [parsed(rule), ...(chains.get(chain) ?? [])]);
    for (const { chain, rule } of change.remove ?? []) {
      const text = renderRule(parsed(rule));
      chains.set(chain, (chains.get(chain) ?? []).filter(other => renderRule(other) !== text));
    }
    for (const name of change.deleteChains ?? []) if (!chains.delete(name)) throw new Error(`no chain ${name}`);
    for (const rules of chains.values()) {
      for (const { matches = [], target } of rules) {
        if (target?.kind === 'jump' && !chains.has(target.chain)) throw new Error(`no chain ${target.chain}`);
        for (const match of matches)
          if (match.kind === 'set' && !this.sets.has(match.name)) throw new Error(`no set ${match.name}`);
      }
    }
    this.tables.set(family, chains);
  }

  private run(chain: string, packet: Packet): Verdict {
    const chains = this.tables.get(packet.from.includes(':') ? 'IPv6' : 'IPv4');
    for (const rule of chains?.get(chain) ?? []) {
      if (!this.isMatch(rule, packet)) continue;
      const { target } = rule;
      if (target?.kind === 'accept' || target?.kind === 'drop') return target.kind;
      if (target?.kind === 'return') return 'continue';
      if (target?.kind !== 'jump') throw new Error(`unknown target ${target?.kind}`);
      const verdict = this.run(target.chain, packet);
      if (verdict !== 'continue') return verdict;
    }
    return 'continue';
  }

  private isMatch(rule: Rule, packet: Packet): boolean {
    if (rule.source !== undefined && !isInBlock(packet.from, rule.source.cidr)) return false;
    if (rule.destination !== undefined && isInBlock(packet.to, rule.destination.cidr) === (rule.destination.not === true))
      return false;
    if (rule.protocol !== undefined && rule.protocol !== packet.protocol.toLowerCase()) return false;
    return (rule.matches ?? []).every(match => this.isPartMatch(match, packet));
  }

  private isPartMatch(match: Match, packet: Packet): boolean {
    switch (match.kind) {
      case 'comment':
        return true;
      case 'port': {
        const { from = 0, to = 0 } = match.destination ?? {};
        return packet.port >= from && packet.port <= to;
      }
      case 'set': {
        const entries = this.sets.get(match.name) ?? new Set();
        const address = match.flags === 'src' ? packet.from : packet.to;
        const isIn =
          match.flags === 'dst,dst'
            ? entries.has(`${packet.to},${packet.protocol.toLowerCase()}:${packet.port}`)
            : [...entries].some(entry => (entry.includes('/') ? isInBlock(address, entry) : entry === address));
        return isIn !== (match.not === true);
      }
      // The packet opens a connection; it came by a service if it comes back to its pod.
      case 'state':
        return match.states.includes('DNAT') && packet.from === packet.to;
      case 'other':
        if (match.module === 'conntrack') return false;
        throw new Error(`unknown match ${match.module}`);
      default:
        throw new Error(`unknown match ${match.kind}`);
    }
  }
}
