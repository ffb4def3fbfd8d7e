/**
 * What a path and method ask for, in the words of authorization: verb, group, resource, subresource, name.
 * Source: apiserver `pkg/endpoints/request/requestinfo.go`.
 */
import type { Request } from './request.ts';

export interface RequestInfo {
  readonly isResource: boolean;
  /** `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`, or the lower-case method. */
  readonly verb: string;
  /** `api`, `apis` or ''. */
  readonly prefix: string;
  readonly group: string;
  readonly version: string;
  readonly namespace: string;
  readonly resource: string;
  readonly subresource: string;
  readonly name: string;
  /** Path segments behind the subresource (proxies). */
  readonly rest: readonly string[];
  readonly path: string;
  /** Watches, logs, exec and proxies: no deadline, and not counted in flight. */
  readonly longRunning: boolean;
}

const NON_RESOURCE = {
  prefix: '',
  group: '',
  version: '',
  namespace: '',
  resource: '',
  subresource: '',
  name: '',
  rest: [] as string[],
};
const LONG_SUBRESOURCES = new Set(['attach', 'exec', 'proxy', 'log', 'portforward']);

export function requestInfo(request: Request): RequestInfo {
  const { path } = request;
  const plain = { ...NON_RESOURCE, isResource: false, verb: request.method.toLowerCase(), path, longRunning: false };
  const parts = path.split('/');
  parts.shift();
  if (parts.at(-1) === '') parts.pop();
  const prefix = parts[0];
  if (prefix !== 'api' && prefix !== 'apis') return plain;
  const at = prefix === 'api' ? 2 : 3;
  if (parts.length <= at) return { ...plain, prefix };
  const rest = parts.slice(at).map(decodeSegment);
  const group = prefix === 'api' ? '' : (parts[1] ?? '');
  return resourceInfo(request, { path, prefix, group, version: parts[at - 1] ?? '' }, rest);
}

type Base = Pick<RequestInfo, 'path' | 'prefix' | 'group' | 'version'>;

function resourceInfo(request: Request, base: Base, parts: string[]): RequestInfo {
  let verb = verbOf(request.method);
  if (parts[0] === 'watch' && parts.length > 1) {
    parts.shift();
    verb = 'watch';
  }
  let namespace = '';
  if (parts[0] === 'namespaces' && parts.length > 1) {
    namespace = parts[1] ?? '';
    if (parts.length > 2 && parts[2] !== 'status' && parts[2] !== 'finalize') parts.splice(0, 2);
  }
  const [resource = '', pathName = '', subresource = '', ...rest] = parts;
  let name = pathName;
  const collection = name === '';
  if (collection && verb === 'get') verb = isTrue(request.query.get('watch')) ? 'watch' : 'list';
  if (collection && verb === 'delete') verb = 'deletecollection';
  // A watch or list of one name is authorized as that name.
  if (collection && (verb === 'list' || verb === 'watch' || verb === 'deletecollection'))
    name = nameFromSelector(request.query.get('fieldSelector'));
  const longRunning = verb === 'watch' || LONG_SUBRESOURCES.has(subresource);
  return { ...base, isResource: true, verb, namespace, resource, subresource, name, rest, longRunning };
}

/** A query parameter that is on: anything but `false` and `0`. */
export function isTrue(value: string | null): boolean {
  return (
    value !== null &&
    value !== 'false' &&
    value !== '0' &&
    value !== 'False' &&
    value !== 'F' &&
    value !== 'f' &&
    value !== 'FALSE'
  );
}

function verbOf(method: string): string {
  switch (method) {
    case 'POST':
      return 'create';
    case 'GET':
    case 'HEAD':
      return 'get';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return 'delete';
    default:
      return '';
  }
}

function nameFromSelector(selector: string | null): string {
  if (selector === null) return '';
  return /(?:^|,)metadata\.name==?([^,!=]+)(?:,|$)/.exec(selector)?.[1] ?? '';
}

function decodeSegment(segment: string): string {
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
