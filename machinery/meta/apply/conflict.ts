/**
 * The error of an apply that would take fields from others, in the words that kubectl users know.
 * Source: apimachinery `util/managedfields/internal/conflict.go`, 1.36.
 */
import { goQuote } from '../go-quote.ts';
import { applyConflict, type StatusError } from '../status-error.ts';
import type { FieldSet } from './field-set.ts';
import type { Manager } from './managers.ts';
import { renderPath } from './path-step.ts';

/** Fields that another manager owns and the applied object would change. */
export interface Conflict {
  readonly manager: Manager;
  readonly fields: FieldSet;
}

/** One 409 for all conflicts, with a cause for each field. */
export function conflictError(conflicts: readonly Conflict[]): StatusError {
  const all = conflicts.map(({ manager, fields }) => ({
    who: describe(manager),
    paths: fields.paths().map(renderPath),
  }));
  const causes = all.flatMap(({ who, paths }) =>
    paths.map(field => ({ reason: 'FieldManagerConflict', message: `conflict with ${who}`, field })),
  );
  const [first] = all;
  if (causes.length === 1)
    return applyConflict(causes, `Apply failed with 1 conflict: conflict with ${first?.who}: ${first?.paths[0]}`);
  const lines = all
    .map(({ who, paths }) => `conflicts with ${who}:\n${paths.map(path => `- ${path}`).join('\n')}`)
    .sort();
  return applyConflict(causes, `Apply failed with ${causes.length} conflicts: ${lines.join('\n')}`);
}

function describe(manager: Manager): string {
  const who =
    goQuote(manager.name) + (manager.subresource === '' ? '' : ` with subresource ${goQuote(manager.subresource)}`);
  return manager.operation === 'Update' ? `${who} using ${manager.apiVersion}` : who;
}
