/**
 * The further rule for finalizers of the built-in kinds; custom resources do not have it. Source: core `ValidateObjectMeta`.
 */
import type { AnyObject } from '../../../../machinery/client/resource.ts';
import { invalidError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import type { Strategy } from '../../registry/strategy.ts';

const STANDARD_FINALIZERS = ['kubernetes', 'orphan', 'foregroundDeletion'];
const FINALIZERS = FieldPath.of('metadata', 'finalizers');

/** Without a domain a finalizer must be one of those that the server itself knows. */
export function checkStandardFinalizer(errors: FieldError[], path: FieldPath, finalizer: string): void {
  if (finalizer.includes('/') || STANDARD_FINALIZERS.includes(finalizer)) return;
  const why = 'name is neither a standard finalizer name nor is it fully qualified';
  errors.push(invalidError(path, finalizer, why));
}

/** Kinds whose updates upstream does not look at the whole metadata for. */
const ONLY_NEW = ['Namespace', 'Node'];

/** The strategy, with this rule for the finalizers in the metadata. */
export function withFinalizerRule(strategy: Strategy): Strategy {
  const rule = ONLY_NEW.includes(strategy.info.kind) ? 'validateCreate' : 'validate';
  const own = strategy[rule]?.bind(strategy);
  return {
    ...strategy,
    [rule](object: AnyObject): FieldError[] {
      const errors: FieldError[] = [];
      for (const [i, finalizer] of (object.metadata.finalizers ?? []).entries())
        checkStandardFinalizer(errors, FINALIZERS.index(i), finalizer);
      return [...errors, ...(own?.(object) ?? [])];
    },
  };
}
