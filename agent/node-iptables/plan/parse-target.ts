/** A target, back from its words. One of which a single word is not understood stays `other` as a whole. */
import { parseHex, parseMark, parsePorts } from './numbers.ts';
import type { Target } from './rule.ts';
import type { RuleOption } from './words.ts';

/** Targets that stand without an option, by name. */
const PLAIN: ReadonlyMap<string, Target> = new Map<string, Target>([
  ['ACCEPT', { kind: 'accept' }],
  ['DROP', { kind: 'drop' }],
  ['RETURN', { kind: 'return' }],
  ['MASQUERADE', { kind: 'masquerade' }],
  ['REDIRECT', { kind: 'redirect' }],
  ['LOG', { kind: 'log' }],
]);

/** @param options those of the target, in order */
export function parseTarget(name: string, options: readonly RuleOption[]): Target {
  // An own chain and an extension without options look alike; both are a jump to a name.
  if (options.length === 0) return PLAIN.get(name) ?? { kind: 'jump', chain: name };
  return parseKnown(name, options) ?? { kind: 'other', name, args: options.flatMap(option => option.words) };
}

function parseKnown(name: string, options: readonly RuleOption[]): Target | undefined {
  if (options.some(option => option.not || option.values.length > 1)) return undefined;
  if (name === 'LOG') return parseLog(options);
  if (name === 'CONNMARK' && options.length === 3) return parseConnectionMark(options);
  const [only, ...rest] = options;
  if (only === undefined || rest.length > 0) return undefined;
  const value = only.values[0];
  switch (`${name} ${only.flag}`) {
    case 'REJECT --reject-with':
      return value === undefined ? undefined : { kind: 'reject', with: value };
    case 'DNAT --to-destination':
      return value === undefined ? undefined : { kind: 'dnat', to: value };
    case 'SNAT --to-source':
      return value === undefined ? undefined : { kind: 'snat', to: value };
    case 'MASQUERADE --random-fully':
      return value === undefined ? { kind: 'masquerade', randomFully: true } : undefined;
    case 'REDIRECT --to-ports': {
      const toPorts = parsePorts(value, '-');
      return toPorts === undefined ? undefined : { kind: 'redirect', toPorts };
    }
    case 'MARK --set-xmark': {
      const mark = parseMark(value);
      return mark === undefined ? undefined : { kind: 'mark', ...mark };
    }
    case 'CONNMARK --set-xmark': {
      const mark = parseMark(value);
      return mark === undefined ? undefined : { kind: 'connectionMark', action: 'set', ...mark };
    }
    case 'TCPMSS --clamp-mss-to-pmtu':
      return value === undefined ? { kind: 'segmentSize', bytes: 'path' } : undefined;
    case 'TCPMSS --set-mss': {
      const bytes = parseHex(value);
      return bytes === undefined ? undefined : { kind: 'segmentSize', bytes };
    }
    case 'CT --notrack':
      return value === undefined ? { kind: 'noTrack' } : undefined;
    default:
      return undefined;
  }
}

function parseLog(options: readonly RuleOption[]): Target | undefined {
  const log: { prefix?: string; level?: number } = {};
  for (const { flag, values } of options) {
    const value = values[0];
    if (flag === '--log-prefix' && value !== undefined && log.level === undefined) log.prefix = value;
    else if (flag === '--log-level' && value !== undefined && /^[0-7]$/.test(value)) log.level = Number(value);
    else return undefined;
  }
  return { kind: 'log', ...log };
}

function parseConnectionMark([what, packet, connection]: readonly RuleOption[]): Target | undefined {
  const action = /^--(save|restore)-mark$/.exec(what?.flag ?? '')?.[1] as 'save' | 'restore' | undefined;
  const packetMask = packet?.flag === '--nfmask' ? parseHex(packet.values[0]) : undefined;
  const connectionMask = connection?.flag === '--ctmask' ? parseHex(connection.values[0]) : undefined;
  if (action === undefined || packetMask === undefined || connectionMask === undefined) return undefined;
  return { kind: 'connectionMark', action, packetMask, connectionMask };
}
