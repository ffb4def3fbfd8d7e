/** How to reach an API server, with the certificate of an administrator. Plain data: it is sent to other processes. */
export interface Access {
  readonly host: string;
  readonly port: number;
  /** PEM. */
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
}

/** An API server that runs for the bench alone. */
export interface ServerUnderTest {
  readonly name: string;
  readonly access: Access;
  /** Every process that it takes: upstream's store is one of its own. */
  readonly pids: readonly number[];
  /** Ends it; what it stored stays. */
  stop(): Promise<void>;
}
