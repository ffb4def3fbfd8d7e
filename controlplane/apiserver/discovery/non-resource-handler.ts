/**
 * Everything that is no resource: discovery, version, health, metrics, OpenAPI.
 */
import type { Exchange, Handler } from '../server/exchange.ts';
import { header, type Request, type Response } from '../server/request.ts';
import { negotiate } from '../rest/negotiate.ts';
import { methodNotAllowed, resourceNotFound } from '../rest/refusals.ts';
import type { Discovery } from './discovery.ts';
import { etagResponse } from './etag-response.ts';
import { healthResponse, type HealthCheck } from './health.ts';
import type { OpenApiDocuments } from './open-api-documents.ts';
import { versionInfo } from './version.ts';

export interface NonResourceOptions {
  readonly discovery: Discovery;
  readonly openApi: OpenApiDocuments;
  readonly livez: readonly HealthCheck[];
  readonly readyz: readonly HealthCheck[];
  readonly serverAddress: () => string;
  /** Prometheus text. */
  metrics(): Promise<string>;
  /** `/.well-known/openid-configuration` and `/openid/v1/jwks`. */
  readonly issuer: { configuration(): object; keys(): object };
}

const JSON_TYPE = 'application/json';
/** What is said below groups that nobody serves. */
const NOT_FOUND: Response = {
  kind: 'bytes',
  status: 404,
  contentType: 'text/plain; charset=utf-8',
  body: '404 page not found\n',
  headers: { 'x-content-type-options': 'nosniff' },
};

export function nonResourceHandler(options: NonResourceOptions): Handler {
  return async exchange => {
    const { request } = exchange;
    const path = request.path.length > 1 ? request.path.replace(/\/$/, '') : '/';
    const found = await answer(options, exchange, path);
    if (found === undefined) {
      if (path.startsWith('/apis/')) return NOT_FOUND;
      return { ...json({ paths: rootPaths(options) }), status: 404 };
    }
    return request.method === 'GET' || request.method === 'HEAD' ? found : methodNotAllowed(['GET']);
  };
}

async function answer(options: NonResourceOptions, exchange: Exchange, path: string): Promise<Response | undefined> {
  const { request } = exchange;
  const [, first = '', ...rest] = path.split('/');
  switch (first) {
    case '':
      return rest.length === 0 ? json({ paths: rootPaths(options) }) : undefined;
    case 'version':
      return rest.length === 0 ? json(versionInfo()) : undefined;
    case 'healthz':
    case 'livez':
      return healthResponse(exchange, `/${first}`, options.livez);
    case 'readyz':
      return healthResponse(exchange, '/readyz', options.readyz);
    case 'index.html':
      return json({ paths: rootPaths(options) });
    case 'metrics':
      if (rest.length > 0) return undefined;
      return {
        kind: 'bytes',
        status: 200,
        contentType: 'text/plain; version=0.0.4; charset=utf-8',
        body: await options.metrics(),
      };
    case 'api':
    case 'apis':
      return discovery(options, request, first, rest);
    case 'openapi':
      return options.openApi.answer(exchange, rest);
    case '.well-known':
      return rest.join('/') === 'openid-configuration' ? json(options.issuer.configuration()) : undefined;
    case 'openid':
      return rest.join('/') === 'v1/jwks'
        ? { ...json(options.issuer.keys()), contentType: 'application/jwk-set+json' }
        : undefined;
    default:
      return undefined;
  }
}

function json(object: unknown): Response & { kind: 'object' } {
  return { kind: 'object', status: 200, object };
}

function rootPaths({ discovery, livez, readyz }: NonResourceOptions): string[] {
  const paths = [
    '/.well-known/openid-configuration',
    '/api',
    '/api/v1',
    '/apis',
    '/healthz',
    '/livez',
    '/metrics',
    '/openapi/v2',
    '/openapi/v3',
    '/openapi/v3/',
    '/openid/v1/jwks',
    '/readyz',
    '/version',
  ];
  for (const { name } of livez) paths.push(`/healthz/${name}`, `/livez/${name}`);
  for (const { name } of readyz) paths.push(`/readyz/${name}`);
  for (const { group, versions } of discovery.groups()) {
    if (group !== '') paths.push(`/apis/${group}`, ...versions.map(version => `/apis/${group}/${version}`));
  }
  return paths.sort();
}

function discovery(
  options: NonResourceOptions,
  request: Request,
  prefix: 'api' | 'apis',
  rest: readonly string[],
): Response | undefined {
  const all = options.discovery;
  const [first, second, more] = rest;
  if (first === undefined) {
    const accepted = aggregatedType(request);
    if (accepted !== undefined)
      return etagResponse(request, Buffer.from(JSON.stringify(all.aggregated(prefix === 'api'))), accepted);
    if (prefix === 'apis') return document(request, all.groupList());
    const serverAddressByClientCIDRs = [{ clientCIDR: '0.0.0.0/0', serverAddress: options.serverAddress() }];
    return document(request, { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs });
  }
  if (prefix === 'apis' && second === undefined) return document(request, all.group(first));
  if (prefix === 'apis' && (more !== undefined || all.group(first) === undefined)) return undefined;
  const list = prefix === 'api' ? all.resourceList('', first) : all.resourceList(first, second ?? '');
  if (list === undefined) throw resourceNotFound();
  return document(request, list);
}

/** In the encoding that the client takes. @throws StatusError NotAcceptable */
function document(request: Request, object: unknown): Response | undefined {
  return object === undefined ? undefined : { ...json(object), contentType: negotiate(request, false).mediaType };
}

/** The media type of the aggregated form, if the client takes it before the legacy one. */
function aggregatedType(request: Request): string | undefined {
  for (const clause of (header(request, 'accept') ?? '').split(',')) {
    const parts = clause.split(';').map(part => part.trim());
    if (parts[0] !== JSON_TYPE) continue;
    if (!parts.includes('as=APIGroupDiscoveryList')) return undefined;
    if (parts.includes('g=apidiscovery.k8s.io') && parts.includes('v=v2'))
      return 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
  }
  return undefined;
}
