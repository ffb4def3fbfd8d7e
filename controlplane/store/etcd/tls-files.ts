/**
 * The certificates by which etcd and its client know each other, read from files, and again when those have changed: whoever renews them restarts nothing.
 */
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { credentials, type ChannelCredentials } from '@grpc/grpc-js';
import { StoreUnavailableError } from '../store.ts';

/** Paths of PEM files. */
export interface EtcdTlsFiles {
  /** Who signs etcd's certificate; absent: the machine's own list of authorities. */
  readonly caFile?: string | undefined;
  /** The client's certificate and its key; both or none. */
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
}

export class TlsFiles {
  private readonly files: EtcdTlsFiles;
  private signature = '';
  private made: ChannelCredentials | undefined;

  constructor(files: EtcdTlsFiles) {
    this.files = files;
  }

  /**
   * What new connections use. Files that are being replaced (certificate and key do not match yet) change nothing.
   * @throws StoreUnavailableError denied when there has been no usable set yet; it names the file
   */
  current(): ChannelCredentials {
    try {
      const signature = Object.values(this.files)
        .map((path: string | undefined) => (path === undefined ? '' : stampOf(path)))
        .join(' ');
      if (this.made === undefined || signature !== this.signature) {
        this.made = this.load();
        this.signature = signature;
      }
    } catch (error) {
      if (this.made === undefined) throw error;
    }
    return this.made as ChannelCredentials;
  }

  private load(): ChannelCredentials {
    const ca = read('--etcd-cafile', this.files.caFile);
    const cert = read('--etcd-certfile', this.files.certFile);
    const key = read('--etcd-keyfile', this.files.keyFile);
    try {
      createSecureContext({ ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) });
    } catch (error) {
      const { caFile = '-', certFile = '-', keyFile = '-' } = this.files;
      throw new StoreUnavailableError(
        'denied',
        `Certificates for etcd cannot be used (CA ${caFile}, certificate ${certFile}, key ${keyFile}): ${(error as Error).message}; certificate and key must be PEM and belong together`,
        error,
      );
    }
    return credentials.createSsl(ca ?? null, key ?? null, cert ?? null);
  }
}

function stampOf(path: string): string {
  const { mtimeMs, size, ino } = statSync(path, { throwIfNoEntry: false }) ?? {};
  return `${mtimeMs}/${size}/${ino}`;
}

function read(flag: string, path: string | undefined): Buffer | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path);
  } catch (error) {
    throw new StoreUnavailableError('denied', `${flag}: cannot read ${path}: ${(error as Error).message}`, error);
  }
}
