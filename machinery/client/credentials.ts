/**
 * How a client proves who it is: a certificate, a token, or a token file that others renew.
 */
import { readFile, stat } from 'node:fs/promises';
import type { Clock } from '../process/clock.ts';

/** What a TLS connection is made with. All PEM. */
export interface TlsMaterial {
  /** Authorities that may have signed the server's certificate; the system's when left out. */
  ca?: string | undefined;
  cert?: string | undefined;
  key?: string | undefined;
  /** Name that the server's certificate must have, if not the host of the address. */
  serverName?: string | undefined;
  /** Trusts any server. */
  insecureSkipVerify?: boolean | undefined;
}

export interface Credentials {
  /** Asked for each new connection, so that a renewed certificate is used from the next one on. */
  tls(): TlsMaterial;
  /** The bearer token of a request; undefined: none. */
  token(): Promise<string | undefined>;
}

/** Credentials that do not change. */
export function fixedCredentials(tls: TlsMaterial, token?: string): Credentials {
  return { tls: () => tls, token: () => Promise.resolve(token) };
}

/** How long a token that was read counts as fresh; rotated ones stay good for longer than this. */
const REREAD_MS = 60_000;

/** The token in a file, read again when the file changed; looked at once a minute and only while requests are made. */
export class TokenFile {
  private readonly path: string;
  private readonly clock: Clock;
  private known: { token: string; mtimeMs: number; checkedMs: number } | undefined;

  constructor(path: string, clock: Clock) {
    this.path = path;
    this.clock = clock;
  }

  /** @throws Error naming the file when it was never readable; later failures keep the last token */
  async read(): Promise<string> {
    const nowMs = this.clock.monotonicMs();
    const known = this.known;
    if (known !== undefined && nowMs - known.checkedMs < REREAD_MS) return known.token;
    try {
      const { mtimeMs } = await stat(this.path);
      const token = known?.mtimeMs === mtimeMs ? known.token : (await readFile(this.path, 'utf8')).trim();
      this.known = { token, mtimeMs, checkedMs: nowMs };
      return token;
    } catch (error) {
      if (known === undefined)
        throw new Error(`Cannot read token file ${this.path}: ${(error as Error).message}`, { cause: error });
      this.known = { ...known, checkedMs: nowMs };
      return known.token;
    }
  }
}
