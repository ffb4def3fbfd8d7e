/**
 * What form of an answer the client asks for with Accept: JSON, YAML or protobuf; objects as they are, as a Table, or metadata alone.
 * Source: kubernetes `apiserver/pkg/endpoints/handlers/negotiation`, and the Accept parser behind it.
 */
import { notAcceptable, StatusError } from '../../../machinery/meta/status-error.ts';
import { header, type Request } from '../server/request.ts';

export const PROTOBUF = 'application/vnd.kubernetes.protobuf';
const MEDIA_TYPES = ['application/json', 'application/yaml', PROTOBUF] as const;
const CONVERSIONS = ['Table', 'PartialObjectMetadata', 'PartialObjectMetadataList'] as const;

export type MediaType = (typeof MEDIA_TYPES)[number];

export interface Negotiated {
  readonly as: 'object' | (typeof CONVERSIONS)[number];
  readonly mediaType: MediaType;
}

const PLAIN: Negotiated = { as: 'object', mediaType: 'application/json' };

/**
 * @param conversions false: what answers has no table and no metadata of its own
 * @throws StatusError NotAcceptable when nothing that is asked for can be given
 */
export function negotiate(request: Request, conversions = true): Negotiated {
  const accept = header(request, 'accept') ?? '';
  if (isPlain(accept)) return PLAIN;
  // Upstream's router refuses what names no media type of ours before anybody looks at parameters, and says less.
  if (!namesOurs(accept)) throw new StatusError('NotAcceptable', 406, '406: Not Acceptable', {});
  const found = bestClause(accept, conversions);
  if (found === undefined) throw notAcceptable(MEDIA_TYPES);
  return found;
}

function isPlain(accept: string): boolean {
  return accept === '' || accept === '*/*' || accept === 'application/json';
}

function namesOurs(accept: string): boolean {
  const names: readonly string[] = ['*/*', ...MEDIA_TYPES];
  return accept.split(',').some(clause => names.includes((clause.split(';', 1)[0] ?? '').trim()));
}

/** Like `negotiate()` for watches, which have no YAML. */
export function negotiateWatch(request: Request): Negotiated {
  const found = negotiate(request);
  if (found.mediaType === 'application/yaml')
    throw notAcceptable([`${PLAIN.mediaType};stream=watch`, `${PROTOBUF};stream=watch`]);
  return found;
}

/** The encoding of what has but one form (a Status): JSON where the client would take nothing. */
export function plainMediaType(request: Request): MediaType {
  const accept = header(request, 'accept') ?? '';
  return isPlain(accept) ? PLAIN.mediaType : (bestClause(accept, false) ?? PLAIN).mediaType;
}

function bestClause(accept: string, conversions: boolean): Negotiated | undefined {
  for (const clause of clausesOf(accept)) {
    for (const mediaType of MEDIA_TYPES) {
      const found = matches(clause, mediaType) ? formOf(clause, mediaType, conversions) : undefined;
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

interface Clause {
  readonly type: string;
  readonly subtype: string;
  readonly quality: number;
  readonly parameters: ReadonlyMap<string, string>;
}

/** The clauses that can be read, most wanted first. */
function clausesOf(accept: string): Clause[] {
  const clauses = accept.split(',').flatMap(parseClause);
  if (clauses.length === 1) return clauses;
  return clauses.sort(
    (a, b) => b.quality - a.quality || wildcard(a.type) - wildcard(b.type) || wildcard(a.subtype) - wildcard(b.subtype),
  );
}

function wildcard(text: string): number {
  return text === '*' ? 1 : 0;
}

function parseClause(text: string): Clause[] {
  const [range = '', ...rest] = text.split(';');
  const [type = '', subtype = type.trim() === '*' ? '*' : '', more] = range.split('/').map(part => part.trim());
  if (subtype === '' || more !== undefined) return [];
  const parameters = new Map<string, string>();
  for (const parameter of rest) {
    const [name = '', value = '', extra] = parameter.split('=').map(part => part.trim());
    if (value !== '' && extra === undefined) parameters.set(name, value);
  }
  const quality = parameters.get('q');
  return [{ type, subtype, quality: quality === undefined ? 1 : Number(quality) || 0, parameters }];
}

function matches({ type, subtype }: Clause, mediaType: MediaType): boolean {
  return type === '*' || (type === 'application' && (subtype === '*' || mediaType === `${type}/${subtype}`));
}

function formOf({ parameters }: Clause, mediaType: MediaType, conversions: boolean): Negotiated | undefined {
  const stream = parameters.get('stream');
  if (stream !== undefined && (stream !== 'watch' || mediaType === 'application/yaml')) return undefined;
  if ((parameters.get('sv') ?? 'v1') !== 'v1') return undefined;
  if (!parameters.has('as') && !parameters.has('g') && !parameters.has('v')) return { as: 'object', mediaType };
  if (!conversions || parameters.get('g') !== 'meta.k8s.io' || parameters.get('v') !== 'v1') return undefined;
  const as = CONVERSIONS.find(name => name === parameters.get('as'));
  // A Table has no protobuf form.
  return as === undefined || (as === 'Table' && mediaType === PROTOBUF) ? undefined : { as, mediaType };
}
