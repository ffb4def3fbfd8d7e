/**
 * What a request and a response are inside the API server, whatever carried them: HTTP/2, HTTP/1.1 or a caller in the same process.
 * The handler chain sees nothing else.
 */
import type { Duplex, Readable } from 'node:stream';
import type { FrameForm, KubeObject, StoredObject, WatchEvent } from '../storage/storage.ts';

/** Who asks. `extra` keys are lower case. */
export interface UserInfo {
  readonly name: string;
  readonly uid?: string | undefined;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>> | undefined;
}

/** The subject of a client certificate that the client CA has signed. */
export interface PeerCertificate {
  readonly commonName: string;
  readonly organizations: readonly string[];
  /** `sha256` hex of the certificate, for credential-id. */
  readonly fingerprint: string;
}

/** What comes with a request's body. */
export type RequestBody =
  | { readonly kind: 'none' }
  /** Bytes of a content type, read to the end by the carrier when asked. */
  | { readonly kind: 'bytes'; read(): Promise<Buffer> }
  /** Handed over in the same process: read-only, copied by whoever changes it. */
  | { readonly kind: 'object'; readonly object: unknown };

/** A raw connection that the client asked to switch protocols on (HTTP/1.1 only). */
export interface UpgradeRequest {
  readonly socket: Duplex;
  /** What the client sent behind its request already. */
  readonly head: Buffer;
}

export interface Request {
  readonly method: string;
  /** Percent-decoded nowhere: as the client sent it, without the query. */
  readonly path: string;
  /** Without the question mark. */
  readonly rawQuery: string;
  readonly query: URLSearchParams;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: RequestBody;
  /** Aborts when the client went away or the server stops. Made when first asked for. */
  readonly signal: AbortSignal;
  readonly remoteAddress: string;
  /** 'refused': one was shown that the client CA has not signed, or not for clients. */
  readonly certificate?: PeerCertificate | 'refused' | undefined;
  /** Set by the in-process transport alone: the identity is known, no credential is looked at. */
  readonly identity?: UserInfo | undefined;
  readonly upgrade?: UpgradeRequest | undefined;
  /** The carrier's request body as a stream, for proxies; undefined in process. */
  readonly stream?: Readable | undefined;
}

export type Headers = Readonly<Record<string, string | readonly string[]>>;

interface Common {
  readonly headers?: Headers | undefined;
}

/**
 * How objects leave other than as stored JSON: another encoding, or their metadata alone. There is one instance of each form, so that what it
 * has made is shared by all who ask for it. Callers in this process get objects, whatever the form.
 */
export interface WireForm extends FrameForm {
  readonly contentType: string;
  object(stored: StoredObject): Buffer;
  /** Parts that may be made anew while they are read: what they need not all be in memory at once. */
  list(list: ListResponse): Promise<{ readonly byteLength: number; readonly parts: Iterable<Buffer> }>;
}

/** One object as it is stored: its bytes are written as they are, unless there is a form. */
export interface StoredResponse extends Common {
  readonly kind: 'stored';
  readonly status: number;
  readonly stored: StoredObject;
  readonly form?: WireForm | undefined;
}

/** An object that is serialised when it leaves. */
export interface ObjectResponse extends Common {
  readonly kind: 'object';
  readonly status: number;
  readonly object: unknown;
  /** Absent: the encoding that the client likes best, for built-in kinds. */
  readonly contentType?: string | undefined;
}

/** A list of stored objects: joined from their bytes, or from what the form makes of them. */
export interface ListResponse extends Common {
  readonly kind: 'list';
  readonly apiVersion: string;
  /** `PodList`. */
  readonly listKind: string;
  readonly metadata: { resourceVersion: string; continue?: string; remainingItemCount?: number };
  readonly items: readonly StoredObject[];
  readonly form?: WireForm | undefined;
}

/** A watch. `encode` turns an event into its frame for this client alone; absent means the shared frame of the watch cache, in `form` if there is one. */
export interface WatchResponse extends Common {
  readonly kind: 'watch';
  readonly events: AsyncIterable<readonly WatchEvent[]>;
  readonly encode?: ((event: WatchEvent) => Buffer) | undefined;
  readonly form?: WireForm | undefined;
  /** For another API version than the stored one; in process and on the wire. */
  readonly convert?: ((object: KubeObject) => KubeObject) | undefined;
  readonly contentType?: string | undefined;
  /** Told how many events have been handed to the socket. */
  readonly onSent?: ((events: number) => void) | undefined;
}

/** Bytes of any type. */
export interface BytesResponse extends Common {
  readonly kind: 'bytes';
  readonly status: number;
  readonly contentType: string;
  readonly body: Buffer | string;
}

/** A stream passed through (logs, proxies). */
export interface StreamResponse extends Common {
  readonly kind: 'stream';
  readonly status: number;
  readonly body: Readable;
}

/** The handler has taken the raw connection over. */
export interface HijackedResponse extends Common {
  readonly kind: 'hijacked';
}

export type Response =
  StoredResponse | ObjectResponse | ListResponse | WatchResponse | BytesResponse | StreamResponse | HijackedResponse;

/** The first value of a header. */
export function header(request: Request, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' ? value : value?.[0];
}
