/**
 * Label selectors, compiled: from `a=b,c in (d,e),!f` or from a LabelSelector object.
 * Source: apimachinery `labels/selector.go` and `meta/v1/helpers.go`, 1.36.
 */
import type { LabelSelector as LabelSelectorObject } from '../../proto/api/meta-v1.ts';
import { invalidError, requiredError, forbiddenError, type FieldError } from './field-error.ts';
import type { FieldPath } from './field-path.ts';
import {
  LabelRequirement,
  operatorError,
  requirementProblem,
  type Labels,
  type SelectorOperator,
} from './label-requirement.ts';
import { parseRequirements } from './label-selector-parser.ts';
import { labelValue, qualifiedName } from './names.ts';
import { badRequest } from './status-error.ts';

/** A compiled selector: all requirements must hold. Immutable; requirements are sorted by key. */
export class LabelSelector {
  /** Matches every object. */
  static readonly everything: LabelSelector = new LabelSelector([], false);
  /** Matches no object. */
  static readonly nothing: LabelSelector = new LabelSelector([], true);

  readonly requirements: readonly LabelRequirement[];
  readonly #nothing: boolean;

  constructor(requirements: readonly LabelRequirement[], nothing = false) {
    this.requirements = [...requirements].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
    this.#nothing = nothing;
  }

  /** Whether it selects everything. */
  get isEmpty(): boolean {
    return !this.#nothing && this.requirements.length === 0;
  }

  matches(labels: Labels | undefined): boolean {
    if (this.#nothing) return false;
    for (const requirement of this.requirements) if (!requirement.matches(labels)) return false;
    return true;
  }

  /** The string form, which `parseLabelSelector()` reads back. */
  toString(): string {
    return this.requirements.join(',');
  }
}

/** @throws StatusError BadRequest with upstream's text when `text` is malformed */
export function parseLabelSelector(text: string): LabelSelector {
  if (text === '') return LabelSelector.everything;
  const parsed = parseRequirements(text);
  if (typeof parsed === 'string') throw badRequest(parsed);
  return new LabelSelector(parsed);
}

/** A selector that asks for exactly these labels; none select everything. */
export function selectorFromSet(labels: Labels | undefined): LabelSelector {
  if (labels === undefined) return LabelSelector.everything;
  return new LabelSelector(Object.entries(labels).map(([key, value]) => new LabelRequirement(key, '=', [value])));
}

const OPERATORS: ReadonlyMap<string, SelectorOperator> = new Map([
  ['In', 'in'],
  ['NotIn', 'notin'],
  ['Exists', 'exists'],
  ['DoesNotExist', '!'],
]);

/**
 * Compiles a LabelSelector object: none selects nothing, an empty one everything.
 *
 * @throws StatusError BadRequest when it is malformed; validated objects never are
 */
export function compileLabelSelector(selector: LabelSelectorObject | undefined): LabelSelector {
  if (selector === undefined) return LabelSelector.nothing;
  const requirements = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => checked(key, '=', [value]));
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    const word = OPERATORS.get(operator);
    if (word === undefined) throw badRequest(`"${operator}" is not a valid label selector operator`);
    requirements.push(checked(key, word, values ?? []));
  }
  return requirements.length === 0 ? LabelSelector.everything : new LabelSelector(requirements);
}

function checked(key: string, operator: SelectorOperator, values: readonly string[]): LabelRequirement {
  const problem = requirementProblem(key, operator, values);
  if (problem !== '') throw badRequest(problem);
  return new LabelRequirement(key, operator, values);
}

/** Validates a LabelSelector object field by field. */
export function validateLabelSelector(selector: LabelSelectorObject | undefined, path: FieldPath): FieldError[] {
  if (selector === undefined) return [];
  const errors: FieldError[] = [];
  const at = path.child('matchLabels');
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
    for (const problem of qualifiedName(key)) errors.push(invalidError(at, key, problem));
    for (const problem of labelValue(value)) errors.push(invalidError(at, value, problem));
  }
  for (const [i, expression] of (selector.matchExpressions ?? []).entries()) {
    const item = path.child('matchExpressions').index(i);
    const values = expression.values ?? [];
    if (expression.operator === 'In' || expression.operator === 'NotIn') {
      const why = "must be specified when `operator` is 'In' or 'NotIn'";
      if (values.length === 0) errors.push(requiredError(item.child('values'), why));
    } else if (expression.operator === 'Exists' || expression.operator === 'DoesNotExist') {
      const why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
      if (values.length > 0) errors.push(forbiddenError(item.child('values'), why));
    } else errors.push(operatorError(item.child('operator'), expression.operator));
    for (const problem of qualifiedName(expression.key))
      errors.push(invalidError(item.child('key'), expression.key, problem));
    for (const [j, value] of values.entries()) {
      for (const problem of labelValue(value)) errors.push(invalidError(item.child('values').index(j), value, problem));
    }
  }
  return errors;
}
