/**
 * The commands that make a set as it should be, as few as possible. To be run with `Ipset.apply(commands, true)`.
 *
 * Entries are added before others are removed, so that nobody who stays allowed is shut out meanwhile. A set whose declaration
 * changed is filled under another name and exchanged (`swap`), which is one step for the kernel.
 */
import { canonicalAddress, canonicalCidr } from './address.ts';
import type { IpsetSaved } from './ipset-save.ts';
import type { IpsetCommand, IpsetEntry, IpsetSpec } from './ipset.ts';

/** A set as it should be. */
export interface IpsetWanted {
  readonly spec: IpsetSpec;
  /** Their `set` is that of the declaration. */
  readonly entries: readonly Omit<IpsetEntry, 'set'>[];
}

/**
 * @param found undefined if there is no such set
 * @param temporary name for the exchange, of at most 31 characters; default the set's name and `~`
 * @throws RangeError if an entry holds no address where its type has one
 */
export function diffIpset(
  wanted: IpsetWanted,
  found: IpsetSaved | undefined,
  temporary = `${wanted.spec.set}~`,
): IpsetCommand[] {
  const { spec } = wanted;
  const set = spec.set;
  const entries = new Map(wanted.entries.map(entry => [canonicalEntry(spec, entry.entry), entry]));
  const fill = (name: string): IpsetCommand[] => [
    { ...spec, kind: 'create', set: name },
    ...Array.from(entries.values(), entry => ({ ...entry, kind: 'add', set: name }) as const),
  ];
  if (found === undefined) return fill(set);
  if (!sameDeclaration(spec, found)) {
    // Only sets of one type can be exchanged; another one has to go, which the kernel refuses while rules look into it.
    if (spec.type !== found.type || family(spec) !== family(found)) return [{ kind: 'destroy', set }, ...fill(set)];
    return [...fill(temporary), { kind: 'swap', set, other: temporary }, { kind: 'destroy', set: temporary }];
  }
  const saved = new Map(found.entries.map(entry => [entry.entry, entry]));
  const commands: IpsetCommand[] = [];
  for (const [key, entry] of entries) {
    const there = saved.get(key);
    if (
      there === undefined ||
      there.comment !== entry.comment ||
      there.noMatch !== (entry.noMatch === true ? true : undefined)
    )
      commands.push({ ...entry, kind: 'add', set });
  }
  for (const key of saved.keys()) if (!entries.has(key)) commands.push({ kind: 'del', set, entry: key });
  return commands;
}

/**
 * An entry as `ipset save` prints it: addresses canonical, whole-length prefixes without length, ports with a protocol.
 * @throws RangeError if an address is none
 */
export function canonicalEntry(spec: Pick<IpsetSpec, 'type'>, entry: string): string {
  const kinds = spec.type.slice(spec.type.indexOf(':') + 1).split(',');
  const parts = entry.split(',');
  if (parts.length !== kinds.length || spec.type.startsWith('list:')) return entry;
  return parts.map((part, i) => canonicalPart(kinds[i] ?? '', part)).join(',');
}

function canonicalPart(kind: string, part: string): string {
  switch (kind) {
    case 'ip':
      return part.includes('-') || part.includes('/') ? part : canonicalAddress(part);
    case 'net': {
      const cidr = canonicalCidr(part);
      return cidr.replace(cidr.includes(':') ? /\/128$/ : /\/32$/, '');
    }
    case 'port':
      return part.includes(':') ? part : `tcp:${part}`;
    case 'mac':
      return part.toUpperCase();
    default:
      return part;
  }
}

function sameDeclaration(spec: IpsetSpec, found: IpsetSaved): boolean {
  return (
    spec.type === found.type &&
    family(spec) === family(found) &&
    (spec.maxElements === undefined || spec.maxElements === found.maxElements) &&
    spec.timeoutSeconds === found.timeoutSeconds &&
    (spec.counters === true) === (found.counters === true) &&
    (spec.comments === true) === (found.comments === true) &&
    (spec.options ?? []).every(option => found.options?.includes(option))
  );
}

function family(spec: IpsetSpec): string {
  return spec.family ?? 'ipv4';
}
