/**
 * Answers /openapi/v2 and /openapi/v3. The documents and what makes them are loaded when first asked for: most clients never ask.
 */
import { gunzipSync } from 'node:zlib';
import type { KindInfo } from '../../../proto/api/kinds.ts';
import type { OpenApi } from '../openapi/open-api.ts';
import type { Exchange } from '../server/exchange.ts';
import { header, type Request, type Response } from '../server/request.ts';
import { etagResponse, isKnown } from './etag-response.ts';
import { KUBERNETES_VERSION } from './version.ts';

const JSON_TYPE = 'application/json';
/** A document under its hash never changes: clients may keep it for as long as RFC 9111 lets them. */
const YEAR_MS = 365 * 86_400_000;
/** Old clients write an at sign, which is no character of media types. */
const PROTO_V2 = /application\/com\.github\.proto-openapi\.spec\.v2[@.]v1\.0\+protobuf/;

export class OpenApiDocuments {
  readonly #kinds: readonly KindInfo[];
  #loaded: Promise<{ openApi: OpenApi; protoType: string }> | undefined;

  constructor(kinds: readonly KindInfo[]) {
    this.#kinds = kinds;
  }

  /** @param rest path segments behind `/openapi/` */
  async answer({ request, nowMs }: Exchange, [version, ...rest]: readonly string[]): Promise<Response | undefined> {
    const { openApi, protoType } = await this.#load();
    if (version === 'v2' && rest.length === 0) {
      const proto = PROTO_V2.test(header(request, 'accept') ?? '');
      return keptResponse(request, openApi.keptV2(proto ? 'proto' : 'json'), proto ? protoType : JSON_TYPE);
    }
    if (version !== 'v3') return undefined;
    if (rest.length === 0) return etagResponse(request, openApi.openApiV3Index(), JSON_TYPE);
    const groupVersion = rest.join('/');
    const kept = openApi.keptV3(groupVersion);
    if (kept === undefined) return undefined;
    const asked = request.query.get('hash');
    if (asked === null || asked === '') return keptResponse(request, kept, JSON_TYPE);
    const hash = openApi.v3Hash(groupVersion);
    if (asked !== hash) return moved(`/openapi/v3/${groupVersion}?hash=${hash}`);
    const expires = new Date(nowMs + YEAR_MS).toUTCString();
    return keptResponse(request, kept, JSON_TYPE, { 'cache-control': 'public, immutable', expires });
  }

  #load(): Promise<{ openApi: OpenApi; protoType: string }> {
    this.#loaded ??= import('../openapi/index.ts').then(({ OpenApi: Documents, PROTO_V2_TYPE }) => ({
      openApi: new Documents(this.#kinds, KUBERNETES_VERSION),
      protoType: PROTO_V2_TYPE,
    }));
    return this.#loaded;
  }
}

/** The document has another hash by now. */
function moved(location: string): Response {
  return { kind: 'bytes', status: 301, contentType: 'text/html; charset=utf-8', body: '', headers: { location } };
}

function keptResponse(
  request: Request,
  { gzipped, etag }: { gzipped: Buffer; etag: string },
  contentType: string,
  caching: Readonly<Record<string, string>> = { 'cache-control': 'public' },
): Response {
  const quoted = `"${etag}"`;
  const headers: Record<string, string> = { etag: quoted, vary: 'Accept, Accept-Encoding', ...caching };
  if (isKnown(request, quoted)) return { kind: 'bytes', status: 304, contentType, body: '', headers };
  const zipped = request.identity === undefined && (header(request, 'accept-encoding') ?? '').includes('gzip');
  if (zipped) headers['content-encoding'] = 'gzip';
  return { kind: 'bytes', status: 200, contentType, body: zipped ? gzipped : gunzipSync(gzipped), headers };
}
