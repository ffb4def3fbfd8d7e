/**
 * How a client reaches an API server: over HTTPS (`http-transport.ts`) or inside the server's own process (the API server implements
 * this interface itself; same filters, same identity, no sockets). Everything above it cannot tell which.
 *
 * Objects that a transport hands out may be shared with the server's cache and with other clients: they are read-only.
 */
export interface ApiRequest {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Absolute, without query: `/api/v1/namespaces/default/pods`. */
  path: string;
  query?: Readonly<Record<string, string>> | undefined;
  /** Sent as JSON. The transport never changes it; the caller must not change it until the call ends. */
  body?: unknown;
  /** Default `application/json`; patches say which kind they are. */
  contentType?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** One event of a watch. An `ERROR` never reaches the caller: it is thrown as a StatusError. */
export interface WatchEvent<T = unknown> {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  object: T;
}

export interface Transport {
  /**
   * One request, one answer.
   * @returns the decoded JSON body (text for what is not JSON)
   * @throws StatusError as the server said, ServiceUnavailable when it could not be reached
   * @throws AbortError when `signal` aborts
   */
  call(request: ApiRequest): Promise<unknown>;
  /**
   * Streams a watch (the query holds `watch=1` and the rest) until the server ends it or the iterator is returned.
   * @throws StatusError Expired when the resourceVersion is too old
   */
  watch(request: ApiRequest): AsyncIterable<WatchEvent>;
  /** Lets go of connections. */
  close(): Promise<void>;
}
