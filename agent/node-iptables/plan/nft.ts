/**
 * nftables input for `nft -f -`: own tables with chains, sets and maps, and single elements. Statements of rules are text in
 * nft's own language; what is typed is what a delta consists of. One input is one transaction.
 * Source: nft(8), version 1.0.6.
 */
export type NftFamily = 'ip' | 'ip6' | 'inet' | 'bridge';

/** What to do, in order. */
export type NftCommand =
  | { readonly kind: 'addTable'; readonly comment?: string }
  | { readonly kind: 'deleteTable' }
  | {
      readonly kind: 'addChain';
      readonly chain: string;
      /** A base chain; without it a chain that is only jumped to. */
      readonly hook?: { readonly type: 'filter' | 'nat' | 'route'; readonly hook: string; readonly priority: string };
    }
  | { readonly kind: 'flushChain' | 'deleteChain'; readonly chain: string }
  | { readonly kind: 'addRule'; readonly chain: string; readonly statement: string }
  | {
      readonly kind: 'addSet' | 'addMap';
      readonly name: string;
      /** `ipv4_addr . inet_proto . inet_service`, for a map followed by ` : verdict` and the like. */
      readonly type: string;
      readonly flags?: readonly string[];
    }
  | { readonly kind: 'flushSet' | 'flushMap' | 'deleteSet' | 'deleteMap'; readonly name: string }
  | { readonly kind: 'addElements' | 'deleteElements'; readonly set: string; readonly elements: readonly string[] };

/** @throws RangeError if a word holds a control character or a statement would end early */
export function renderNft(family: NftFamily, table: string, commands: readonly NftCommand[]): string {
  const at = `${family} ${safe(table)}`;
  return commands.map(command => renderCommand(at, command) + '\n').join('');
}

function renderCommand(at: string, command: NftCommand): string {
  switch (command.kind) {
    case 'addTable':
      return command.comment === undefined
        ? `add table ${at}`
        : `add table ${at} { comment "${safe(command.comment)}" ; }`;
    case 'deleteTable':
      return `delete table ${at}`;
    case 'addChain': {
      const hook = command.hook;
      const base = hook === undefined ? '' : ` { type ${hook.type} hook ${hook.hook} priority ${hook.priority} ; }`;
      return `add chain ${at} ${safe(command.chain)}${base}`;
    }
    case 'flushChain':
      return `flush chain ${at} ${safe(command.chain)}`;
    case 'deleteChain':
      return `delete chain ${at} ${safe(command.chain)}`;
    case 'addRule':
      return `add rule ${at} ${safe(command.chain)} ${noControl(command.statement)}`;
    case 'addSet':
    case 'addMap': {
      const flags = command.flags === undefined ? '' : ` flags ${command.flags.join(',')} ;`;
      return `add ${command.kind === 'addSet' ? 'set' : 'map'} ${at} ${safe(command.name)} { type ${noControl(command.type)} ;${flags} }`;
    }
    case 'flushSet':
    case 'deleteSet':
    case 'flushMap':
    case 'deleteMap':
      return `${command.kind.startsWith('flush') ? 'flush' : 'delete'} ${command.kind.endsWith('Set') ? 'set' : 'map'} ${at} ${safe(command.name)}`;
    case 'addElements':
    case 'deleteElements':
      return `${command.kind === 'addElements' ? 'add' : 'delete'} element ${at} ${safe(command.set)} { ${command.elements.map(noControl).join(', ')} }`;
  }
}

function safe(text: string): string {
  if (/["\\;{}]/.test(text)) throw new RangeError(`character not allowed in ${JSON.stringify(text)}`);
  return noControl(text);
}

function noControl(text: string): string {
  if (/[\u0000-\u001f\u007f]/.test(text)) throw new RangeError(`control character in ${JSON.stringify(text)}`);
  return text;
}
