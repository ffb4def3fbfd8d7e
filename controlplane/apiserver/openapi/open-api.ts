/**
 * Keeps the OpenAPI documents: each is made when it is first asked for, kept compressed, and thrown away when kinds come or go.
 */
import { createHash } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { KindInfo } from '../../../proto/api/kinds.ts';
import { apiTable } from '../../../proto/api/schema.ts';
import { DESCRIPTIONS } from './descriptions/describe.ts';
import { documentV2 } from './document-v2.ts';
import { documentV3 } from './document-v3.ts';
import { gnosticDocument } from './gnostic.ts';

/**
 * Content-Type of the protobuf form of v2. Clients ask for it with `v2@v1.0`, but an at sign is no character of media
 * types, and they refuse an answer that has one.
 */
export const PROTO_V2_TYPE = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

/** Raised when the same input makes another document. */
const RENDERER = 2;

interface Kept {
  readonly gzipped: Buffer;
  /** Upper-case hexadecimal, without quotes. */
  readonly etag: string;
}

export class OpenApi {
  #kinds: readonly KindInfo[];
  readonly #version: string;
  readonly #kept = new Map<string, Kept>();
  #tableHash: string | undefined;

  /** `version` is that of the server: `v1.36.0`. */
  constructor(kinds: readonly KindInfo[], version: string) {
    this.#kinds = kinds;
    this.#version = version;
  }

  /** Kinds were added or removed. */
  setKinds(kinds: readonly KindInfo[]): void {
    this.#kinds = kinds;
    this.#kept.clear();
  }

  /** `/openapi/v2` as JSON. */
  openApiV2Json(): Buffer {
    return gunzipSync(this.keptV2('json').gzipped);
  }

  /** `/openapi/v2` as protobuf. */
  openApiV2Proto(): Buffer {
    return gunzipSync(this.keptV2('proto').gzipped);
  }

  /** The compressed form with its ETag, for clients that take gzip. */
  keptV2(form: 'json' | 'proto'): Kept {
    return this.#keep(`v2 ${form}`, () =>
      form === 'json'
        ? Buffer.from(JSON.stringify(documentV2(this.#kinds, this.#version)))
        : gnosticDocument(this.#kinds, this.#version),
    );
  }

  /** `/openapi/v3`: every group and version with an address that changes when its document does. */
  openApiV3Index(): Buffer {
    const paths: Record<string, { serverRelativeURL: string }> = {};
    for (const groupVersion of this.groupVersions()) {
      paths[groupVersion] = { serverRelativeURL: `/openapi/v3/${groupVersion}?hash=${this.v3Hash(groupVersion)}` };
    }
    return Buffer.from(JSON.stringify({ paths }));
  }

  /** `groupVersion` is `api/v1` or `apis/apps/v1`; undefined if there is no such group. */
  openApiV3(groupVersion: string): Buffer | undefined {
    const kept = this.keptV3(groupVersion);
    return kept === undefined ? undefined : gunzipSync(kept.gzipped);
  }

  keptV3(groupVersion: string): Kept | undefined {
    const kinds = this.#kindsOf(groupVersion);
    if (kinds.length === 0) return undefined;
    return this.#keep(`v3 ${groupVersion}`, () => Buffer.from(JSON.stringify(documentV3(kinds, this.#version))));
  }

  /** Depends on what the document is made from, so that the index needs no document. */
  v3Hash(groupVersion: string): string {
    this.#tableHash ??= hash(JSON.stringify([RENDERER, apiTable, DESCRIPTIONS]));
    return hash(JSON.stringify([this.#tableHash, this.#version, this.#kindsOf(groupVersion)]));
  }

  /** `api/v1`, `apis/apps/v1`, ... */
  groupVersions(): string[] {
    return [...new Set(this.#kinds.map(groupVersionOf))].sort();
  }

  #kindsOf(groupVersion: string): KindInfo[] {
    return this.#kinds.filter(kind => groupVersionOf(kind) === groupVersion);
  }

  #keep(key: string, make: () => Buffer): Kept {
    const known = this.#kept.get(key);
    if (known !== undefined) return known;
    const body = make();
    const kept = { gzipped: gzipSync(body, { level: 6 }), etag: hash(body) };
    this.#kept.set(key, kept);
    return kept;
  }
}

function groupVersionOf({ group, version }: KindInfo): string {
  return group === '' ? `api/${version}` : `apis/${group}/${version}`;
}

function hash(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex').toUpperCase();
}
