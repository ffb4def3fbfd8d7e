/**
 * Numbers that may be percentages: `maxSurge: 25%`, and ports that may be names. Source: apimachinery `util/intstr`.
 */

/** A number, a percentage or a name. */
export type IntOrString = number | string;

/**
 * The number that `value` stands for out of `total`. Percentages round up or down; undefined when it is neither a number nor
 * a percentage.
 */
export function scaledValue(value: IntOrString, total: number, round: 'up' | 'down'): number | undefined {
  if (typeof value === 'number') return value;
  const percent = percentOf(value);
  if (percent === undefined) return undefined;
  const scaled = (percent * total) / 100;
  return round === 'up' ? Math.ceil(scaled) : Math.floor(scaled);
}

/** 25 for `25%`; undefined for anything else. */
export function percentOf(value: IntOrString): number | undefined {
  return typeof value === 'string' && /^-?[0-9]+%$/.test(value) ? Number(value.slice(0, -1)) : undefined;
}
