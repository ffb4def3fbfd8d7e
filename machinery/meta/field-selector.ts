/**
 * Field selectors: `metadata.name=x,status.phase!=Running`, with `\\`, `\=` and `\,` as escapes in values.
 * Source: apimachinery `fields/selector.go`, 1.36.
 */
import { badRequest } from './status-error.ts';

/** One term. */
export interface FieldRequirement {
  readonly field: string;
  readonly operator: '=' | '!=';
  /** Unescaped. */
  readonly value: string;
}

/** A parsed selector: all terms must hold. Immutable. */
export class FieldSelector {
  static readonly everything: FieldSelector = new FieldSelector([]);

  readonly requirements: readonly FieldRequirement[];

  constructor(requirements: readonly FieldRequirement[]) {
    this.requirements = requirements;
  }

  get isEmpty(): boolean {
    return this.requirements.length === 0;
  }

  /** @param valueOf the object's value of a field, '' when it has none */
  matches(valueOf: (field: string) => string): boolean {
    for (const { field, operator, value } of this.requirements) {
      if ((valueOf(field) === value) !== (operator === '=')) return false;
    }
    return true;
  }

  /** The value that `field` must have, if one term says so: `metadata.name=x` gives x. */
  exactMatch(field: string): string | undefined {
    return this.requirements.find(r => r.field === field && r.operator === '=')?.value;
  }

  toString(): string {
    return this.requirements.map(r => `${r.field}${r.operator}${r.value.replace(/[\\,=]/g, '\\$&')}`).join(',');
  }
}

/**
 * Which fields there are is for the caller to check.
 * @throws StatusError BadRequest when the text is malformed
 */
export function parseFieldSelector(text: string): FieldSelector {
  if (text === '') return FieldSelector.everything;
  const requirements: FieldRequirement[] = [];
  for (const term of splitTerms(text)) {
    if (term === '') continue;
    const match = /^(.*?)(==|!=|=)(.*)$/s.exec(term);
    const [, field = '', operator, raw = ''] = match ?? [];
    if (operator === undefined) {
      throw badRequest(`invalid selector: '${text}'; can't understand '${term}'`);
    }
    requirements.push({ field, operator: operator === '!=' ? '!=' : '=', value: unescape(raw) });
  }
  return new FieldSelector(requirements);
}

function splitTerms(text: string): string[] {
  return text.match(/(?:[^\\,]|\\.?)+/gs) ?? [];
}

function unescape(value: string): string {
  return value.replace(/\\(.?)|[=]/gs, (found, escaped: string | undefined) => {
    if (escaped !== undefined && /^[\\,=]$/.test(escaped)) return escaped;
    throw badRequest(
      found === '='
        ? `invalid field selector: unescaped character in value: ${found.charCodeAt(0)}`
        : `invalid field selector: invalid escape sequence: ${found}`,
    );
  });
}
