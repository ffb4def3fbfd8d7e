/** Families of a sample as Prometheus' text. */
import { renderLabels } from '../../../machinery/process/metrics.ts';
import type { Family } from './plan/family.ts';

/** Families without series are left out. */
export function exposition(families: readonly Family[]): string {
  let text = '';
  for (const { name, help, type, series } of families) {
    if (series.length === 0) continue;
    text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
    for (const { labels, value, timeMs } of series)
      text += `${name}${renderLabels(labels)} ${value}${timeMs === undefined ? '' : ` ${timeMs}`}\n`;
  }
  return text;
}
