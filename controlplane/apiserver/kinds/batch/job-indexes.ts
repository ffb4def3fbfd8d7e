/** Lists of the indexes of a Job: `1,3-5,7`. Source: Kubernetes `pkg/apis/batch/validation` (validateIndexesFormat), 1.36. */

type Interval = readonly [first: number, last: number];

/** @returns how many indexes `text` names, or what is wrong with it */
export function countIndexes(text: string, completions: number): number | string {
  if (text === '') return 0;
  let last: number | undefined;
  let total = 0;
  for (const part of text.split(',')) {
    const interval = parseInterval(part, completions);
    if (typeof interval === 'string') return interval;
    const [from, to] = interval;
    if (last !== undefined && last >= from) return `non-increasing order, previous: ${last}, current: ${from}`;
    total += to - from + 1;
    last = to;
  }
  return total;
}

/** The first index that both lists name; parts that cannot be read are passed over. */
export function commonIndex(one: string, other: string, completions: number): number | undefined {
  const intervals = (text: string): Interval[] =>
    (text === '' ? [] : text.split(',')).flatMap(part => {
      const interval = parseInterval(part, completions);
      return typeof interval === 'string' ? [] : [interval];
    });
  const others = intervals(other);
  for (const [from, to] of intervals(one)) {
    const met = others.find(([first, last]) => from <= last && first <= to);
    if (met !== undefined) return Math.max(from, met[0]);
  }
  return undefined;
}

function parseInterval(text: string, completions: number): Interval | string {
  const limits = text.split('-');
  const quoted = JSON.stringify;
  if (limits.length > 2)
    return `the fragment ${quoted(text)} violates the requirement that an index interval can have at most two parts separated by '-'`;
  for (const limit of limits) {
    if (!/^\d+$/.test(limit)) return `cannot convert string to integer for index: ${quoted(limit)}`;
    if (Number(limit) >= completions) return `too large index: ${quoted(limit)}`;
  }
  const [from = 0, to = from] = limits.map(Number);
  return limits.length === 2 && from >= to ? `non-increasing order, previous: ${from}, current: ${to}` : [from, to];
}
