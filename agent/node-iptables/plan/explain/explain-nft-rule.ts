/** A rule of nftables as a sentence. */
import { expressionText } from '../nft-expression.ts';
import { single } from '../nft-json.ts';
import type { NftSavedRule } from '../nft-ruleset.ts';
import { statementText } from '../nft-statement.ts';
import type { NftStatementJson } from '../nft-statement.ts';

/** `If ip daddr is 10.0.0.1 and tcp dport is 80: counter, drop.` */
export function explainNftRule({ statements, comment }: Pick<NftSavedRule, 'statements' | 'comment'>): string {
  const conditions: string[] = [];
  const actions: string[] = [];
  for (const statement of statements) {
    const [kind, body] = single(statement);
    if (kind === 'match') {
      const { op, left, right } = body;
      const is = op === '==' || op === 'in' ? 'is' : op === '!=' ? 'is not' : `is ${String(op)}`;
      conditions.push(`${expressionText(left)} ${is} ${choice(right)}`);
    } else actions.push(actionText(kind, body, statement));
  }
  const when = conditions.length === 0 ? 'Always' : `If ${conditions.join(' and ')}`;
  return `${when}: ${actions.join(', ') || 'go on'}.${comment === undefined ? '' : ` ("${comment}")`}`;
}

function actionText(kind: string, body: NftStatementJson, statement: NftStatementJson): string {
  if (kind === 'counter') return 'count';
  if (kind === 'vmap') return `do what ${expressionText(body['key'])} leads to in ${expressionText(body['data'])}`;
  return statementText(statement)
    .replace(/^jump (\S+)$/, 'go through $1 and come back')
    .replace(/^goto /, 'go on in ');
}

function choice(right: unknown): string {
  const body = typeof right === 'object' && right !== null ? (right as NftStatementJson)['set'] : undefined;
  const list = Array.isArray(right) ? right : Array.isArray(body) ? (body as unknown[]) : undefined;
  return list === undefined ? expressionText(right) : list.map(item => expressionText(item)).join(' or ');
}
