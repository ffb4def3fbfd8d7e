/** Validation of the bounds that a LimitRange sets for one type of object. Source: Kubernetes `pkg/apis/core/validation` (limit ranges), 1.36. */
import {
  forbiddenError,
  invalidError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { tryParseQuantity, type Quantity } from '../../../../machinery/meta/quantity.ts';
import type { LimitRangeItem } from '../../../../proto/api/core-v1.ts';
import {
  checkContainerResourceName,
  checkQuantity,
  checkResourceName,
  isOvercommitAllowed,
} from '../../../../machinery/validation/resource-list.ts';

const LISTS = ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const;
type List = (typeof LISTS)[number];
const WORDS = { min: 'min', max: 'max', default: 'default', defaultRequest: 'default request' } as const;
/** The first must not be more than the second; the third is the field that is blamed. */
const ORDER = [
  ['min', 'max', 'min'],
  ['min', 'defaultRequest', 'defaultRequest'],
  ['defaultRequest', 'max', 'defaultRequest'],
  ['defaultRequest', 'default', 'defaultRequest'],
  ['min', 'default', 'default'],
  ['default', 'max', 'default'],
] as const;

export function checkLimitItem(errors: FieldError[], path: FieldPath, item: LimitRangeItem): void {
  const inPods = item.type === 'Pod' || item.type === 'Container';
  for (const list of LISTS) {
    const amounts = Object.entries(item[list] ?? {});
    if (item.type === 'Pod' && (list === 'default' || list === 'defaultRequest')) {
      if (amounts.length > 0)
        errors.push(forbiddenError(path.child(list), "may not be specified when `type` is 'Pod'"));
      continue;
    }
    for (const [name, text] of amounts) {
      const at = path.child(list).key(name);
      (inPods ? checkContainerResourceName : checkResourceName)(errors, at, name);
      checkQuantity(errors, at, text);
    }
  }
  if (item.type === 'PersistentVolumeClaim' && (item.min?.['storage'] ?? item.max?.['storage']) === undefined) {
    const why = 'either minimum or maximum storage value is required, but neither was provided';
    errors.push(requiredError(path.child('limits'), why));
  }
  const names = new Set(LISTS.flatMap(list => Object.keys(item[list] ?? {})));
  for (const name of names) checkAmounts(errors, path, item, name);
}

function checkAmounts(errors: FieldError[], path: FieldPath, item: LimitRangeItem, name: string): void {
  const amount = (list: List): Quantity | undefined => {
    const text = item[list]?.[name];
    return text === undefined ? undefined : tryParseQuantity(String(text));
  };
  for (const [low, high, blamed] of ORDER) {
    const [a, b] = [amount(low), amount(high)];
    if (a === undefined || b === undefined || a.compare(b) <= 0) continue;
    const limit = low === 'defaultRequest' && high === 'default' ? 'default limit' : WORDS[high];
    const why = `${WORDS[low]} value ${a.toString()} is greater than ${limit} value ${b.toString()}`;
    // The value that is shown is upstream's choice.
    const shown = blamed === 'default' ? (low === 'min' ? a : b) : blamed === low ? a : b;
    errors.push(invalidError(path.child(blamed).key(name), shown.toString(), why));
  }
  checkRatio(
    errors,
    path.child('maxLimitRequestRatio').key(name),
    amount('maxLimitRequestRatio'),
    amount('min'),
    amount('max'),
  );
  const [limit, request] = [amount('default'), amount('defaultRequest')];
  if (isOvercommitAllowed(name) || limit === undefined || request === undefined || limit.compare(request) === 0) return;
  const why = `default value ${limit.toString()} must equal to defaultRequest value ${request.toString()} in ${name}`;
  errors.push(invalidError(path.child('defaultRequest').key(name), request.toString(), why));
}

function checkRatio(
  errors: FieldError[],
  path: FieldPath,
  ratio: Quantity | undefined,
  min: Quantity | undefined,
  max: Quantity | undefined,
): void {
  if (ratio === undefined) return;
  const [least, most, value] = [min, max, ratio].map(quantity => Number(quantity?.nanos ?? 0n) / 1e9);
  if ((value ?? 0) < 1) errors.push(invalidError(path, ratio.toString(), `ratio ${ratio.toString()} is less than 1`));
  if (min === undefined || max === undefined || least === undefined || most === undefined) return;
  const limit = most / least;
  if ((value ?? 0) > limit) {
    const why = `ratio ${ratio.toString()} is greater than max/min = ${limit.toFixed(6)}`;
    errors.push(invalidError(path, ratio.toString(), why));
  }
}
