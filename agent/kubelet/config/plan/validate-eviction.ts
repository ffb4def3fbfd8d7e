/** Thresholds of eviction. Source: `ParseThresholdConfig` (pkg/kubelet/eviction/helpers.go, 1.36): what it refuses. */
import { parseDuration } from '../../../../machinery/meta/duration.ts';
import {
  invalidError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { tryParseQuantity } from '../../../../machinery/meta/quantity.ts';
import type { KubeletConfiguration } from './kubelet-configuration.ts';

/** What can run short. */
const SIGNALS = [
  'memory.available',
  'allocatableMemory.available',
  'nodefs.available',
  'nodefs.inodesFree',
  'imagefs.available',
  'imagefs.inodesFree',
  'containerfs.available',
  'containerfs.inodesFree',
  'pid.available',
];

/** One error for each threshold that says nothing sensible. */
export function evictionErrors(c: KubeletConfiguration): FieldError[] {
  const errors: FieldError[] = [];
  const each = (
    name: 'evictionHard' | 'evictionSoft' | 'evictionSoftGracePeriod' | 'evictionMinimumReclaim',
    check: (text: string) => string | undefined,
  ): void => {
    for (const [signal, text] of Object.entries(c[name] ?? {})) {
      const path = FieldPath.of(name).key(signal);
      const problem = check(text);
      if (!SIGNALS.includes(signal)) errors.push(notSupportedError(path, signal, SIGNALS));
      else if (problem !== undefined) errors.push(invalidError(path, text, problem));
    }
  };
  each('evictionHard', amountProblem);
  each('evictionSoft', amountProblem);
  each('evictionMinimumReclaim', amountProblem);
  each('evictionSoftGracePeriod', text =>
    (parseDuration(text) ?? -1) < 0 ? 'must be a duration, such as 1m30s' : undefined,
  );
  for (const signal of Object.keys(c.evictionSoft ?? {})) {
    if (c.evictionSoftGracePeriod?.[signal] === undefined)
      errors.push(
        requiredError(FieldPath.of('evictionSoftGracePeriod').key(signal), 'the soft threshold of that name needs it'),
      );
  }
  return errors;
}

/** A percentage of the whole, or a quantity. */
function amountProblem(text: string): string | undefined {
  if (text.endsWith('%')) {
    const percent = Number(text.slice(0, -1));
    const isPercent = text.length > 1 && percent >= 0 && percent <= 100;
    return isPercent ? undefined : 'must be a percentage between 0% and 100%';
  }
  const quantity = tryParseQuantity(text);
  return quantity === undefined || quantity.sign() < 0 ? 'must be a quantity or a percentage' : undefined;
}
