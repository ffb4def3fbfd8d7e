/**
 * nftables input for `nft -f -`: own tables with chains, rules, sets, maps and their elements. What is typed is what a delta
 * consists of; keys, values and statements of rules are text in nft's own language. One input is one transaction.
 *
 * nft 1.0.6 has no `destroy`; the `remove…` commands do the same by declaring a thing and then deleting it.
 * Source: nft(8), version 1.0.6.
 */
import { statementsText } from './nft-statement.ts';
import type { NftStatement } from './nft-statement.ts';
import { quoted, safeName, safeText } from './nft-text.ts';
import { renderSetBody } from './nft-set.ts';
import type { NftSetSpec } from './nft-set.ts';

export type NftFamily = 'ip' | 'ip6' | 'inet' | 'arp' | 'bridge' | 'netdev';

/** Where the kernel hands packets to a chain. */
export interface NftHook {
  readonly type: 'filter' | 'nat' | 'route';
  readonly hook: 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting' | 'ingress' | 'egress';
  /** A number, or a name with an offset: `dstnat`, `filter - 10`. */
  readonly priority: string | number;
  /** What becomes of a packet that the chain lets through; default `accept`. */
  readonly policy?: 'accept' | 'drop';
  /** For `ingress` and `egress`. */
  readonly device?: string;
}

/** One element: its text, or its parts. Text is taken as it is and is the quickest for elements by the ten thousand. */
export type NftElement =
  | string
  | {
      /** `10.0.0.1 . tcp . 80` */
      readonly key: string;
      /** Of a map: `goto svc-1`, `10.244.0.7 . 8080`. */
      readonly value?: string;
      /** At most 128 bytes. */
      readonly comment?: string;
      /** Where the set has the flag `timeout`. */
      readonly timeoutSeconds?: number;
      /** Start values, where the set counts. */
      readonly counter?: { readonly packets: number; readonly bytes: number };
    };

/** Statements of a rule: as text in nft's language, or in the shape of its JSON. */
export type NftRuleBody = string | readonly NftStatement[];

/** What to do, in order. */
export type NftCommand =
  | { readonly kind: 'addTable'; readonly comment?: string }
  /** `removeTable` is content if there is none; `deleteTable` fails. Both take all that is in it. */
  | { readonly kind: 'deleteTable' | 'removeTable' | 'flushTable' }
  /** With a hook a base chain, without one a chain that is only jumped to. One that is there keeps its rules. */
  | { readonly kind: 'addChain'; readonly chain: string; readonly hook?: NftHook; readonly comment?: string }
  /** `deleteChain` takes the chain's own rules too; `removeChain` besides is content if there is none. */
  | { readonly kind: 'flushChain' | 'deleteChain' | 'removeChain'; readonly chain: string }
  /** `insertRule` puts it before all others, or before the rule of the handle given; `addRule` after. */
  | {
      readonly kind: 'addRule' | 'insertRule';
      readonly chain: string;
      readonly statement: NftRuleBody;
      readonly comment?: string;
      readonly handle?: number;
    }
  | {
      readonly kind: 'replaceRule';
      readonly chain: string;
      readonly handle: number;
      readonly statement: NftRuleBody;
      readonly comment?: string;
    }
  | { readonly kind: 'deleteRule'; readonly chain: string; readonly handle: number }
  /** One that is there is left as it is if its declaration is the same, else the whole input fails. */
  | ({ readonly kind: 'addSet' | 'addMap'; readonly name: string } & NftSetSpec)
  | { readonly kind: 'flushSet' | 'flushMap' | 'deleteSet' | 'deleteMap'; readonly name: string }
  /** Content if there is none; one that is there must have this declaration. */
  | ({ readonly kind: 'removeSet' | 'removeMap'; readonly name: string } & NftSetSpec)
  /** Adding what is there is no error, unless a map has another value for the key. Deleting what is absent is one. */
  | { readonly kind: 'addElements' | 'deleteElements'; readonly set: string; readonly elements: readonly NftElement[] }
  /** Takes elements that may be absent; those of a map with the value that they have if they are there. Not for intervals. */
  | { readonly kind: 'removeElements'; readonly set: string; readonly elements: readonly NftElement[] };

/** What is to be done in one table. */
export interface NftChange {
  readonly family: NftFamily;
  readonly table: string;
  readonly commands: readonly NftCommand[];
}

/** The input of one table. @throws RangeError if a word holds a control character or a statement would end early */
export function renderNft(family: NftFamily, table: string, commands: readonly NftCommand[]): string {
  return renderNftChanges([{ family, table, commands }]);
}

/** The input of any number of tables: one transaction. @throws RangeError as `renderNft()` */
export function renderNftChanges(changes: readonly NftChange[]): string {
  const lines: string[] = [];
  for (const { family, table, commands } of changes) {
    const at = `${family} ${safeName(table)}`;
    for (const command of commands) lines.push(renderCommand(at, command));
  }
  return lines.length === 0 ? '' : lines.join('\n') + '\n';
}

/** An element as nft reads it. Where the comment stands differs: in front of a map's value. */
export function renderElement(element: NftElement): string {
  if (typeof element === 'string') return safeText(element);
  const { key, value, comment, timeoutSeconds, counter } = element;
  let text = safeText(key);
  if (timeoutSeconds !== undefined) text += ` timeout ${timeoutSeconds}s`;
  if (counter !== undefined) text += ` counter packets ${counter.packets} bytes ${counter.bytes}`;
  if (comment !== undefined) text += ` comment ${quoted(comment)}`;
  return value === undefined ? text : `${text} : ${safeText(value)}`;
}

function renderCommand(at: string, command: NftCommand): string {
  switch (command.kind) {
    case 'addTable':
      return `add table ${at}${block(commentOf(command.comment))}`;
    case 'deleteTable':
      return `delete table ${at}`;
    case 'flushTable':
      return `flush table ${at}`;
    case 'removeTable':
      return `add table ${at}\ndelete table ${at}`;
    case 'addChain':
      return `add chain ${at} ${safeName(command.chain)}${block(renderHook(command.hook) + commentOf(command.comment))}`;
    case 'flushChain':
    case 'deleteChain':
      return `${command.kind === 'flushChain' ? 'flush' : 'delete'} chain ${at} ${safeName(command.chain)}`;
    case 'removeChain':
      return `add chain ${at} ${safeName(command.chain)}\ndelete chain ${at} ${safeName(command.chain)}`;
    case 'addRule':
    case 'insertRule': {
      const where = command.handle === undefined ? '' : ` handle ${command.handle}`;
      return `${command.kind === 'addRule' ? 'add' : 'insert'} rule ${at} ${safeName(command.chain)}${where} ${renderStatement(command)}`;
    }
    case 'replaceRule':
      return `replace rule ${at} ${safeName(command.chain)} handle ${command.handle} ${renderStatement(command)}`;
    case 'deleteRule':
      return `delete rule ${at} ${safeName(command.chain)} handle ${command.handle}`;
    case 'addSet':
    case 'addMap':
      return declareSet(at, command.kind === 'addSet' ? 'set' : 'map', command.name, command);
    case 'removeSet':
    case 'removeMap': {
      const what = command.kind === 'removeSet' ? 'set' : 'map';
      return `${declareSet(at, what, command.name, command)}\ndelete ${what} ${at} ${safeName(command.name)}`;
    }
    case 'flushSet':
    case 'deleteSet':
    case 'flushMap':
    case 'deleteMap':
      return `${command.kind.startsWith('flush') ? 'flush' : 'delete'} ${command.kind.endsWith('Set') ? 'set' : 'map'} ${at} ${safeName(command.name)}`;
    case 'addElements':
    case 'deleteElements':
      return renderElements(command.kind === 'addElements' ? 'add' : 'delete', at, command.set, command.elements);
    case 'removeElements': {
      const keys = command.elements.map(keyOf);
      return `${renderElements('add', at, command.set, command.elements)}\n${renderElements('delete', at, command.set, keys)}`;
    }
  }
}

function renderElements(verb: string, at: string, set: string, elements: readonly NftElement[]): string {
  // nft refuses braces with nothing in them.
  if (elements.length === 0) return `# no element of ${safeName(set)}`;
  return `${verb} element ${at} ${safeName(set)} { ${elements.map(renderElement).join(', ')} }`;
}

function declareSet(at: string, what: 'set' | 'map', name: string, spec: NftSetSpec): string {
  return `add ${what} ${at} ${safeName(name)}${block(renderSetBody(spec))}`;
}

function renderStatement(rule: { readonly statement: NftRuleBody; readonly comment?: string }): string {
  const { statement, comment } = rule;
  const text = typeof statement === 'string' ? statement : statementsText(statement);
  return safeText(text) + (comment === undefined ? '' : ` comment ${quoted(comment)}`);
}

function renderHook(hook: NftHook | undefined): string {
  if (hook === undefined) return '';
  const device = hook.device === undefined ? '' : ` device ${quoted(hook.device)}`;
  const policy = hook.policy === undefined ? '' : ` policy ${hook.policy} ;`;
  return ` type ${hook.type} hook ${hook.hook}${device} priority ${hook.priority} ;${policy}`;
}

function commentOf(comment: string | undefined): string {
  return comment === undefined ? '' : ` comment ${quoted(comment)} ;`;
}

function block(body: string): string {
  return body === '' ? '' : ` {${body} }`;
}

function keyOf(element: NftElement): string {
  if (typeof element !== 'string') return element.key;
  const colon = element.indexOf(' : ');
  return colon < 0 ? element : element.slice(0, colon);
}
