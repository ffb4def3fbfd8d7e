/**
 * Settings of upstream's configuration kinds that k8ts does not have. Each may be said with the value that is true here; any other is
 * refused with the reason, so that nobody believes in a setting that does nothing.
 */
import { forbiddenError, type FieldError } from './field-error.ts';
import { FieldPath } from './field-path.ts';
import { isJsonObject } from './json-value.ts';

/** One such setting. */
export interface LackingSetting {
  /** The path of the setting: `logging.format`. */
  readonly path: string;
  /** Values that say what is so anyway. */
  readonly only: readonly unknown[];
  readonly why: string;
}

export const lack = (path: string, only: readonly unknown[], why: string): LackingSetting => ({ path, only, why });

/** One error for each setting of `file` that cannot be had. */
export function lackingSettings(lacks: readonly LackingSetting[], file: object): FieldError[] {
  const errors: FieldError[] = [];
  for (const { path, only, why } of lacks) {
    const names = path.split('.');
    const value = names.reduce<unknown>((at, name) => (isJsonObject(at) ? at[name] : undefined), file);
    if (isNothing(value) || only.includes(value)) continue;
    const [first = '', ...rest] = names;
    const values = only.map(v => JSON.stringify(v)).join(', ');
    const hint = only.length === 0 ? '' : ` (only ${values} is taken)`;
    errors.push(forbiddenError(FieldPath.of(first, ...rest), `k8ts does not have this setting: ${why}${hint}`));
  }
  return errors;
}

/** Upstream writes these for settings that nobody made. */
function isNothing(value: unknown): boolean {
  if (value === undefined || value === null || value === '' || value === 0 || value === '0s') return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}
