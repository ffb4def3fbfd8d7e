/**
 * What form of an answer the client asks for with Accept: plain JSON or YAML, a Table, or metadata alone.
 * Source: kubernetes.io/docs, "Kubernetes API Concepts", alternate representations.
 */
import { notAcceptable } from '../../../machinery/meta/status-error.ts';
import { header, type Request } from '../server/request.ts';

export interface Negotiated {
  readonly as: 'object' | 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList';
  readonly mediaType: 'application/json' | 'application/yaml';
  /** The Accept clause's parameters, for the answer's Content-Type. */
  readonly contentType: string;
}

const PLAIN: Negotiated = { as: 'object', mediaType: 'application/json', contentType: 'application/json' };
const ACCEPTED = ['application/json', 'application/yaml'];

/**
 * @param tables false: what answers has no table and no metadata of its own
 * @throws StatusError NotAcceptable when nothing that is asked for can be given
 */
export function negotiate(request: Request, tables = true): Negotiated {
  const accept = header(request, 'accept');
  if (accept === undefined || accept === '' || accept === '*/*' || accept === 'application/json') return PLAIN;
  for (const clause of accept.split(',')) {
    const found = clauseForm(clause);
    if (found !== undefined && (tables || found.as === 'object')) return found;
  }
  throw notAcceptable(ACCEPTED);
}

function clauseForm(clause: string): Negotiated | undefined {
  const [type = '', ...parameters] = clause.split(';').map(part => part.trim());
  const mediaType = mediaTypeOf(type);
  if (mediaType === undefined) return undefined;
  const values = new Map(parameters.map(p => p.split('=', 2) as [string, string]));
  const as = values.get('as');
  if (as === undefined)
    return mediaType === PLAIN.mediaType ? PLAIN : { as: 'object', mediaType, contentType: mediaType };
  if (values.get('g') !== 'meta.k8s.io' || values.get('v') !== 'v1') return undefined;
  if (as !== 'Table' && as !== 'PartialObjectMetadata' && as !== 'PartialObjectMetadataList') return undefined;
  return { as, mediaType, contentType: `${mediaType};as=${as};g=meta.k8s.io;v=v1` };
}

function mediaTypeOf(type: string): Negotiated['mediaType'] | undefined {
  if (type === 'application/json' || type === '*/*' || type === 'application/*') return 'application/json';
  return type === 'application/yaml' || type === 'text/yaml' ? 'application/yaml' : undefined;
}
