/**
 * The query of `/logs/?query=...`: which services' or which file's log of the node is asked for (KEP-2258). Pure.
 * Source: kubernetes `pkg/kubelet/kubelet_server_journal.go`, 1.36.
 */
import { FieldError, invalidError, requiredError } from '../../../../machinery/meta/field-error.ts';

export interface NodeLogQuery {
  readonly services: readonly string[];
  readonly files: readonly string[];
  readonly sinceMs: number | undefined;
  readonly untilMs: number | undefined;
  readonly tailLines: number | undefined;
  readonly boot: number | undefined;
  readonly pattern: string;
}

const MAX_TAIL_LINES = 100_000;
const MAX_SERVICES = 4;
const MAX_SERVICE_CHARS = 256;
const MAX_PATTERN_CHARS = 4096;
const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

/** @returns undefined when nothing is asked: a path may be meant */
export function parseNodeLogQuery(params: URLSearchParams): { query: NodeLogQuery | undefined; errors: FieldError[] } {
  const errors: FieldError[] = [];
  const asked = params.getAll('query');
  const files = asked.filter(text => /[/\\]/.test(text));
  const services = asked.filter(text => !/[/\\]/.test(text) && text.trim() !== '');
  if (asked.length > 0 && files.length === 0 && services.length === 0)
    errors.push(invalidError('query', asked, 'query cannot be empty'));
  const time = (key: string): number | undefined => {
    const text = params.get(key) ?? '';
    if (text === '') return undefined;
    if (RFC3339.test(text)) return Date.parse(text);
    errors.push(invalidError(key, text, 'invalid time format'));
    return undefined;
  };
  const integer = (key: string): number | undefined => {
    const text = params.get(key) ?? '';
    if (text === '') return undefined;
    if (/^[+-]?\d{1,15}$/.test(text)) return Number(text);
    errors.push(invalidError(key, text, `strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`));
    return undefined;
  };
  const query: NodeLogQuery = {
    services,
    files,
    sinceMs: time('sinceTime'),
    untilMs: time('untilTime'),
    boot: integer('boot'),
    tailLines: integer('tailLines'),
    pattern: params.get('pattern') ?? '',
  };
  return { query: asked.length === 0 && !hasOptions(query) ? undefined : query, errors };
}

export function hasOptions({ sinceMs, untilMs, boot, tailLines, pattern }: NodeLogQuery): boolean {
  return [sinceMs, untilMs, boot, tailLines].some(value => value !== undefined) || pattern !== '';
}

export function validateNodeLogQuery(query: NodeLogQuery): FieldError[] {
  const { services, files, sinceMs, untilMs, boot, tailLines, pattern } = query;
  const errors: FieldError[] = [];
  for (const service of services) {
    if (service.length > MAX_SERVICE_CHARS) errors.push(invalidError('query', service, 'length must be less than 100'));
    else if (!/^[a-zA-Z\-_0-9@.]+$/.test(service))
      errors.push(invalidError('query', service, 'input contains unsupported characters'));
  }
  if (services.length > MAX_SERVICES)
    errors.push(
      new FieldError('FieldValueTooMany', 'query', String(services.length), `must have at most ${MAX_SERVICES} items`),
    );
  if (files.length === 0 && services.length === 0) errors.push(requiredError('query', 'cannot be empty with options'));
  else if (files.length > 0 && services.length > 0)
    errors.push(
      invalidError('query', `[${files.join(' ')}], [${services.join(' ')}]`, 'cannot specify a file and service'),
    );
  else if (files.length > 1) errors.push(invalidError('query', files, 'cannot specify more than one file'));
  else if (files.length === 1 && hasOptions(query))
    errors.push(invalidError('query', files, 'cannot specify file with options'));
  if (sinceMs !== undefined && untilMs !== undefined && sinceMs > untilMs)
    errors.push(invalidError('untilTime', new Date(untilMs).toISOString(), 'must be after `sinceTime`'));
  if (boot !== undefined && boot > 0) errors.push(invalidError('boot', boot, 'must be less than 1'));
  if (tailLines !== undefined && (tailLines < 0 || tailLines > MAX_TAIL_LINES))
    errors.push(invalidError('tailLines', tailLines, `must be between 0 and ${MAX_TAIL_LINES}, inclusive`));
  if (pattern.length > MAX_PATTERN_CHARS || pattern.includes('\0'))
    errors.push(
      invalidError('pattern', pattern.slice(0, 50), `must be at most ${MAX_PATTERN_CHARS} characters of text`),
    );
  return errors;
}

/** What shows the journal of these services. */
export function journalCommand(query: NodeLogQuery, services: readonly string[]): string[] {
  const { sinceMs, untilMs, boot, tailLines, pattern } = query;
  const time = (ms: number): string => new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
  return [
    'journalctl',
    '--utc',
    '--no-pager',
    '--output=short-precise',
    ...(sinceMs === undefined ? [] : [`--since=${time(sinceMs)} UTC`]),
    ...(untilMs === undefined ? [] : [`--until=${time(untilMs)} UTC`]),
    ...(tailLines === undefined ? [] : [`--lines=${tailLines}`]),
    ...(boot === undefined ? [] : [`--boot=${boot}`]),
    ...(pattern === '' ? [] : [`--grep=${pattern}`]),
    ...services.map(service => `--unit=${service}`),
  ];
}

/** Prints something if the service logs to the journal. */
export function journalProbe(service: string): string[] {
  return ['journalctl', '--quiet', '--no-pager', '--output=cat', '--lines=1', `--unit=${service}`];
}

/** Where a service that has no journal may log to, under the log folder, the likeliest first. */
export function serviceLogFiles(service: string): string[] {
  return [service, `${service}.log`, `${service}/${service}.log`];
}
