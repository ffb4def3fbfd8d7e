/**
 * The string syntax of label selectors: a lexer and a parser by recursive descent.
 * Source: apimachinery `labels/selector.go`, 1.36, messages included.
 */
import { LabelRequirement, requirementProblem, type SelectorOperator } from './label-requirement.ts';

interface Token {
  readonly kind: 'word' | 'symbol' | 'end';
  readonly text: string;
}

const END: Token = { kind: 'end', text: '' };
const LEXER = /\s*(?:([^\s=!(),><]+)|(==|!=|=|!|\(|\)|,|>|<|[^\s]))/gy;
const OPERATORS: ReadonlyMap<string, SelectorOperator> = new Map([
  ['=', '='],
  ['==', '=='],
  ['!=', '!='],
  ['in', 'in'],
  ['notin', 'notin'],
  ['>', 'gt'],
  ['<', 'lt'],
]);

class SyntaxProblem extends Error {}

/** The requirements of `text`, or the message that says why there are none. */
export function parseRequirements(text: string): LabelRequirement[] | string {
  try {
    return new Parser(tokensOf(text)).parse();
  } catch (error) {
    if (error instanceof SyntaxProblem) return error.message;
    throw error;
  }
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  for (const [, word, symbol = ''] of text.matchAll(LEXER)) {
    tokens.push(word === undefined ? { kind: 'symbol', text: symbol } : { kind: 'word', text: word });
  }
  return tokens;
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  parse(): LabelRequirement[] {
    const requirements: LabelRequirement[] = [];
    for (;;) {
      const token = this.#peek();
      if (token.kind === 'end') return requirements;
      if (token.kind !== 'word' && token.text !== '!') {
        throw new SyntaxProblem(`found '${token.text}', expected: !, identifier, or 'end of string'`);
      }
      requirements.push(this.#requirement());
      const after = this.#next();
      if (after.kind === 'end') return requirements;
      if (after.text !== ',') throw new SyntaxProblem(`found '${after.text}', expected: ',' or 'end of string'`);
      const start = this.#peek();
      if (start.kind !== 'word' && start.text !== '!') {
        throw new SyntaxProblem(`found '${start.text}', expected: identifier after ','`);
      }
    }
  }

  #requirement(): LabelRequirement {
    const negated = this.#peek().text === '!';
    if (negated) this.#next();
    const key = this.#next();
    if (key.kind !== 'word') this.#fail(`found '${key.text}', expected: identifier`);
    const follows = this.#peek();
    // After a negation nothing but the end of the requirement may come; the caller says so.
    if (negated) return this.#make(key.text, '!', []);
    if (follows.kind === 'end' || follows.text === ',') return this.#make(key.text, 'exists', []);
    const word = this.#next();
    const operator = OPERATORS.get(word.text);
    if (operator === undefined) this.#fail(`found '${word.text}', expected: in, notin, =, ==, !=, gt, lt`);
    const values = operator === 'in' || operator === 'notin' ? this.#valueSet() : [this.#exactValue()];
    return this.#make(key.text, operator, values);
  }

  #make(key: string, operator: SelectorOperator, values: readonly string[]): LabelRequirement {
    const problem = requirementProblem(key, operator, values);
    if (problem !== '') this.#fail(problem);
    return new LabelRequirement(key, operator, values);
  }

  #valueSet(): string[] {
    const open = this.#next();
    if (open.text !== '(') this.#fail(`found '${open.text}' expected: '('`);
    const values: string[] = [];
    let empty = true;
    for (;;) {
      const token = this.#next();
      if (token.text === ')') {
        // Nothing before the bracket, or a comma, is an empty value.
        if (empty) values.push('');
        return values;
      }
      if (token.text === ',') {
        if (empty) values.push('');
        empty = true;
      } else if (token.kind === 'word' && empty) {
        values.push(token.text);
        empty = false;
      } else if (token.kind === 'word') this.#fail(`found '${token.text}', expected: ',' or ')'`);
      else this.#fail(`found '${token.text}', expected: ',', ')' or identifier`);
    }
  }

  #exactValue(): string {
    const token = this.#peek();
    if (token.kind === 'end' || token.text === ',') return '';
    if (token.kind !== 'word') this.#fail(`found '${token.text}', expected: identifier`);
    return this.#next().text;
  }

  #fail(message: string): never {
    throw new SyntaxProblem(`unable to parse requirement: ${message}`);
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? END;
  }

  #next(): Token {
    return this.#tokens[this.#at++] ?? END;
  }
}
