/**
 * A rule as the words that `iptables-restore` reads, in the order and spelling in which `iptables-save` prints them.
 *
 * Nothing a caller passes can break out of its word: control characters are refused, the rest is quoted.
 */
import { renderMatch } from './render-match.ts';
import { renderTarget } from './render-target.ts';
import type { Family, Rule } from './rule.ts';
import { word } from './words.ts';

/**
 * The rule without its leading `-A CHAIN`.
 * @throws RangeError if a word holds a control character or a number is out of range
 */
export function renderRule(rule: Rule, family: Family = 'ipv4'): string {
  const words: string[] = [];
  if (rule.source !== undefined) words.push(not(rule.source.not), '-s', word(rule.source.cidr));
  if (rule.destination !== undefined) words.push(not(rule.destination.not), '-d', word(rule.destination.cidr));
  if (rule.inInterface !== undefined) words.push(not(rule.inInterface.not), '-i', word(rule.inInterface.name));
  if (rule.outInterface !== undefined) words.push(not(rule.outInterface.not), '-o', word(rule.outInterface.name));
  if (rule.protocol !== undefined) words.push(not(rule.protocolNot), '-p', word(rule.protocol));
  if (rule.fragments !== undefined) words.push(rule.fragments === 'only' ? '-f' : '! -f');
  for (const match of rule.matches ?? []) words.push(renderMatch(match, family));
  if (rule.target !== undefined) words.push(renderTarget(rule.target));
  return words.filter(w => w !== '').join(' ');
}

function not(flag: true | undefined): string {
  return flag === true ? '!' : '';
}
