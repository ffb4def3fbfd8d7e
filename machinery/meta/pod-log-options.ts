/**
 * The query of a log request: PodLogOptions of core/v1. The API server refuses with these errors, and so do kubelets that are asked directly.
 * Source: kubernetes `pkg/apis/core/v1/validation` (ValidatePodLogOptions) and apimachinery's query conversion, 1.36.
 */
import { forbiddenError, invalidPlainError, notSupportedError, type FieldError } from './field-error.ts';
import { goQuote } from './go-quote.ts';
import { badRequest } from './status-error.ts';

export type LogStreamName = 'All' | 'Stdout' | 'Stderr';

export interface PodLogOptions {
  readonly follow: boolean;
  readonly previous: boolean;
  readonly timestamps: boolean;
  /** Lines from the end; undefined: all. */
  readonly tailLines: number | undefined;
  readonly limitBytes: number | undefined;
  readonly sinceSeconds: number | undefined;
  /** Milliseconds since the epoch. */
  readonly sinceTimeMs: number | undefined;
  readonly stream: LogStreamName;
}

const STREAMS: readonly LogStreamName[] = ['All', 'Stderr', 'Stdout'];
const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

/**
 * @returns the options, and what is wrong with them
 * @throws StatusError BadRequest for what is no number or time at all
 */
export function parsePodLogOptions(query: URLSearchParams): { options: PodLogOptions; errors: FieldError[] } {
  const errors: FieldError[] = [];
  const number = (key: string, least: number): number | undefined => {
    const text = query.get(key) ?? '';
    if (text === '') return undefined;
    if (!/^[+-]?\d+$/.test(text)) throw badRequest(`strconv.ParseInt: parsing ${goQuote(text)}: invalid syntax`);
    const value = Number(text);
    if (value < least) {
      const why = least === 0 ? 'must be greater than or equal to 0' : 'must be greater than 0';
      errors.push(invalidPlainError(key, value, why));
    }
    return value;
  };
  const tailLines = number('tailLines', 0);
  const limitBytes = number('limitBytes', 1);
  const sinceTime = query.get('sinceTime') ?? '';
  if (sinceTime !== '' && !(RFC3339.test(sinceTime) && !Number.isNaN(Date.parse(sinceTime))))
    throw badRequest(`parsing time ${goQuote(sinceTime)}: it is not of the form 2006-01-02T15:04:05Z`);
  const hasBoth = (query.get('sinceSeconds') ?? '') !== '' && sinceTime !== '';
  if (hasBoth) errors.push(forbiddenError('', 'at most one of `sinceTime` or `sinceSeconds` may be specified'));
  const sinceSeconds = number('sinceSeconds', hasBoth ? -Infinity : 1);
  const asked = query.get('stream') ?? '';
  const stream = asked === '' ? 'All' : STREAMS.find(name => name === asked);
  if (stream === undefined) errors.push(notSupportedError('stream', asked, STREAMS));
  else if (stream !== 'All' && tailLines !== undefined)
    errors.push(forbiddenError('', '`tailLines` and specific `stream` are mutually exclusive for now'));
  return {
    options: {
      follow: isSet(query, 'follow'),
      previous: isSet(query, 'previous'),
      timestamps: isSet(query, 'timestamps'),
      tailLines,
      limitBytes,
      sinceSeconds,
      sinceTimeMs: sinceTime === '' ? undefined : Date.parse(sinceTime),
      stream: stream ?? 'All',
    },
    errors,
  };
}

/** A flag without a value is set; only `false` and `0` are not. */
function isSet(query: URLSearchParams, key: string): boolean {
  const text = query.get(key);
  return text !== null && text !== '0' && text.toLowerCase() !== 'false';
}
