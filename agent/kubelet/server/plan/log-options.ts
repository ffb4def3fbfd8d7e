/**
 * The query of a log request, and the lines it selects. Source: PodLogOptions of core/v1; log lines are in CRI's format
 * `TIME STREAM P|F TEXT`, where P marks a part of a longer line. Pure.
 */

export interface LogOptions {
  follow: boolean;
  previous: boolean;
  timestamps: boolean;
  /** Lines from the end; undefined: all. */
  tailLines: number | undefined;
  limitBytes: number | undefined;
  /** Only lines at or after this time, milliseconds since the epoch. */
  sinceMs: number | undefined;
  stream: 'All' | 'Stdout' | 'Stderr';
}

/** @returns the options, or what is wrong with them */
export function parseLogOptions(query: URLSearchParams, nowMs: number): LogOptions | string {
  const number = (key: string): number | undefined =>
    query.has(key) && query.get(key) !== '' ? Number(query.get(key)) : undefined;
  const flag = (key: string): boolean => ['true', '1', ''].includes(query.get(key) ?? 'false');
  const tailLines = number('tailLines');
  const limitBytes = number('limitBytes');
  const sinceSeconds = number('sinceSeconds');
  const sinceTime = query.get('sinceTime') ?? '';
  if (tailLines !== undefined && !(Number.isInteger(tailLines) && tailLines >= 0))
    return 'tailLines: must be greater than or equal to 0';
  if (limitBytes !== undefined && !(Number.isInteger(limitBytes) && limitBytes >= 1))
    return 'limitBytes: must be greater than 0';
  if (sinceSeconds !== undefined && !(Number.isInteger(sinceSeconds) && sinceSeconds >= 1))
    return 'sinceSeconds: must be greater than 0';
  if (sinceSeconds !== undefined && sinceTime !== '')
    return 'at most one of `sinceTime` or `sinceSeconds` may be specified';
  if (sinceTime !== '' && Number.isNaN(Date.parse(sinceTime))) return `sinceTime: "${sinceTime}" is no RFC 3339 time`;
  const stream = query.get('stream') ?? '';
  if (!['', 'All', 'Stdout', 'Stderr'].includes(stream)) return `stream: "${stream}" is none of All, Stdout, Stderr`;
  return {
    follow: flag('follow'),
    previous: flag('previous'),
    timestamps: flag('timestamps'),
    tailLines,
    limitBytes,
    sinceMs:
      sinceSeconds !== undefined ? nowMs - sinceSeconds * 1000 : sinceTime !== '' ? Date.parse(sinceTime) : undefined,
    stream: (stream === '' ? 'All' : stream) as LogOptions['stream'],
  };
}

const SPACE = 0x20;
const NEWLINE = Buffer.from('\n');

/**
 * What a reader gets of one raw line (without its newline).
 * @returns undefined for a line that the options leave out
 */
export function selectLine(
  line: Buffer,
  options: Pick<LogOptions, 'timestamps' | 'sinceMs' | 'stream'>,
): Buffer | undefined {
  const afterTime = line.indexOf(SPACE);
  const afterStream = afterTime < 0 ? -1 : line.indexOf(SPACE, afterTime + 1);
  const afterTag = afterStream < 0 ? -1 : line.indexOf(SPACE, afterStream + 1);
  if (afterTag < 0) return undefined;
  const time = line.toString('latin1', 0, afterTime);
  if (options.sinceMs !== undefined && Date.parse(time) < Math.floor(options.sinceMs)) return undefined;
  const stream = line.toString('latin1', afterTime + 1, afterStream);
  if (options.stream !== 'All' && stream !== options.stream.toLowerCase()) return undefined;
  const isPart = line[afterStream + 1] === 0x50;
  const text = line.subarray(afterTag + 1);
  return Buffer.concat([...(options.timestamps ? [Buffer.from(`${time} `)] : []), text, ...(isPart ? [] : [NEWLINE])]);
}
