/**
 * One requirement of a label selector: `app in (a,b)`, `!legacy`, `weight>3`.
 * Source: apimachinery `labels/selector.go`, 1.36.
 */
import { aggregateText, invalidError, type FieldError } from './field-error.ts';
import { FieldPath } from './field-path.ts';
import { labelValue, qualifiedName } from './names.ts';

/** Upstream's operator words, as they stand in a selector string. */
export type SelectorOperator = '!' | '=' | '==' | 'in' | '!=' | 'notin' | 'exists' | 'gt' | 'lt';

/** Labels of an object. */
export type Labels = Readonly<Record<string, string>>;

/** A checked requirement; values are sorted, without duplicates. Immutable. */
export class LabelRequirement {
  readonly key: string;
  readonly operator: SelectorOperator;
  readonly values: readonly string[];
  readonly #first: string;

  constructor(key: string, operator: SelectorOperator, values: readonly string[]) {
    this.key = key;
    this.operator = operator;
    this.values = values.length < 2 ? values : [...new Set(values)].sort();
    this.#first = values[0] ?? '';
  }

  matches(labels: Labels | undefined): boolean {
    const value = labels !== undefined && Object.hasOwn(labels, this.key) ? labels[this.key] : undefined;
    switch (this.operator) {
      case '=':
      case '==':
        return value === this.#first;
      case 'in':
        return value !== undefined && this.values.includes(value);
      case '!=':
      case 'notin':
        return value === undefined || !this.values.includes(value);
      case 'exists':
        return value !== undefined;
      case '!':
        return value === undefined;
      case 'gt':
      case 'lt':
        return this.#compares(value);
    }
  }

  toString(): string {
    switch (this.operator) {
      case 'exists':
        return this.key;
      case '!':
        return `!${this.key}`;
      case 'in':
      case 'notin':
        return `${this.key} ${this.operator} (${this.values.join(',')})`;
      case 'gt':
        return `${this.key}>${this.#first}`;
      case 'lt':
        return `${this.key}<${this.#first}`;
      case '=':
      case '==':
      case '!=':
        return `${this.key}${this.operator}${this.#first}`;
    }
  }

  #compares(value: string | undefined): boolean {
    if (value === undefined || !isInteger(value) || !isInteger(this.#first)) return false;
    return this.operator === 'gt' ? BigInt(value) > BigInt(this.#first) : BigInt(value) < BigInt(this.#first);
  }
}

/** What is wrong with a requirement; '' for nothing. The text is upstream's. */
export function requirementProblem(
  key: string,
  operator: SelectorOperator,
  values: readonly string[],
  path?: FieldPath,
): string {
  const errors: FieldError[] = [];
  const keyProblems = qualifiedName(key);
  if (keyProblems.length > 0) errors.push(invalidError(path?.child('key') ?? 'key', key, keyProblems.join('; ')));
  const at = path?.child('values') ?? FieldPath.of('values');
  const count = countProblem(operator, values);
  if (count !== '') errors.push(invalidError(at, values, count));
  for (const [i, value] of values.entries()) {
    if ((operator === 'gt' || operator === 'lt') && !isInteger(value)) {
      errors.push(invalidError(at.index(i), value, "for 'Gt', 'Lt' operators, the value must be an integer"));
    }
    const problems = labelValue(value);
    if (problems.length > 0) errors.push(invalidError(at.index(i).key(key), value, problems.join('; ')));
  }
  return aggregateText(errors);
}

/** The error for an operator that label selector objects do not have. */
export function operatorError(path: FieldPath, operator: string): FieldError {
  return invalidError(path, operator, 'not a valid selector operator');
}

function countProblem(operator: SelectorOperator, values: readonly string[]): string {
  switch (operator) {
    case 'in':
    case 'notin':
      return values.length === 0 ? "for 'in', 'notin' operators, values set can't be empty" : '';
    case '=':
    case '==':
    case '!=':
      return values.length === 1 ? '' : 'exact-match compatibility requires one single value';
    case 'exists':
    case '!':
      return values.length === 0 ? '' : 'values set must be empty for exists and does not exist';
    case 'gt':
    case 'lt':
      return values.length === 1 ? '' : "for 'Gt', 'Lt' operators, exactly one value is required";
  }
}

function isInteger(text: string): boolean {
  return /^[+-]?[0-9]{1,19}$/.test(text);
}
