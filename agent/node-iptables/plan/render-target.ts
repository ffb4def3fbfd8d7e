/** What becomes of a packet, as `iptables-save` prints it. */
import { hex, renderMark, renderPorts } from './numbers.ts';
import type { Target } from './rule.ts';
import { savedString, verbatim, word } from './words.ts';

/** @throws RangeError if a word holds a control character or a port is none */
export function renderTarget(target: Target): string {
  switch (target.kind) {
    case 'jump':
      return `-j ${word(target.chain)}`;
    case 'goto':
      return `-g ${word(target.chain)}`;
    case 'accept':
      return '-j ACCEPT';
    case 'drop':
      return '-j DROP';
    case 'return':
      return '-j RETURN';
    case 'reject':
      return `-j REJECT --reject-with ${word(target.with)}`;
    case 'dnat':
      return `-j DNAT --to-destination ${word(target.to)}`;
    case 'snat':
      return `-j SNAT --to-source ${word(target.to)}`;
    case 'masquerade':
      return target.randomFully === true ? '-j MASQUERADE --random-fully' : '-j MASQUERADE';
    case 'redirect':
      return target.toPorts === undefined
        ? '-j REDIRECT'
        : `-j REDIRECT --to-ports ${renderPorts(target.toPorts, '-')}`;
    case 'mark':
      return `-j MARK --set-xmark ${renderMark(target, true)}`;
    case 'connectionMark':
      return target.action === 'set'
        ? `-j CONNMARK --set-xmark ${renderMark(target, true)}`
        : `-j CONNMARK --${target.action}-mark --nfmask ${hex(target.packetMask)} --ctmask ${hex(target.connectionMask)}`;
    case 'log': {
      const prefix = target.prefix === undefined ? '' : ` --log-prefix ${savedString(target.prefix)}`;
      return `-j LOG${prefix}${target.level === undefined ? '' : ` --log-level ${target.level}`}`;
    }
    case 'segmentSize':
      return target.bytes === 'path' ? '-j TCPMSS --clamp-mss-to-pmtu' : `-j TCPMSS --set-mss ${target.bytes}`;
    case 'noTrack':
      return '-j CT --notrack';
    case 'other':
      return `-j ${word(target.name)}${target.args.length === 0 ? '' : ` ${verbatim(target.args)}`}`;
  }
}
