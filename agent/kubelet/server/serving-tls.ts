/**
 * What the kubelet's server shows and whom it trusts, in files or from a certificate manager. Files that change are read again, at most once in
 * ten seconds and only while somebody connects.
 */
import { readFileSync, statSync } from 'node:fs';
import type { Server } from 'node:https';
import type { SecureContextOptions } from 'node:tls';
import type { KeyPair } from '../../../machinery/pki/certificate.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { KubeletConfiguration } from '../config/plan/kubelet-configuration.ts';
import { tlsSettings } from './plan/tls-settings.ts';

export interface ServingTlsOptions {
  readonly configuration: Pick<
    KubeletConfiguration,
    'tlsCertFile' | 'tlsPrivateKeyFile' | 'tlsMinVersion' | 'tlsCipherSuites' | 'authentication'
  >;
  /** The node's own pair, for when the configuration names no files. */
  readonly pair: () => KeyPair;
  /** PEM of the cluster's authority, for when the configuration names no file. */
  readonly clientCaPem: string;
  readonly logger: Logger;
}

const RECHECK_MS = 10_000;

export class ServingTls {
  private readonly options: ServingTlsOptions;
  private stamp = '';
  private checkedAtMs = 0;

  constructor(options: ServingTlsOptions) {
    this.options = options;
  }

  /** @throws Error naming the file that cannot be read, or the setting that cannot be had */
  context(): SecureContextOptions {
    const { configuration: c, clientCaPem } = this.options;
    this.stamp = this.filesStamp();
    const pair = this.usesFiles
      ? { cert: read('tlsCertFile', c.tlsCertFile), key: read('tlsPrivateKeyFile', c.tlsPrivateKeyFile) }
      : { cert: this.options.pair().certPem, key: this.options.pair().keyPem };
    const { clientCAFile } = c.authentication.x509;
    const ca = clientCAFile === '' ? clientCaPem : read('authentication.x509.clientCAFile', clientCAFile);
    return { ...pair, ca, ...tlsSettings(c.tlsMinVersion, c.tlsCipherSuites ?? []) };
  }

  /** Whether the operator brings the certificate: none is asked for then. */
  get usesFiles(): boolean {
    return this.options.configuration.tlsCertFile !== '';
  }

  /** Shows new connections what is good now. A pair that cannot be read leaves what there was. */
  renew(server: Server): void {
    try {
      server.setSecureContext(this.context());
    } catch (error) {
      this.options.logger.warn(
        { err: error },
        "The kubelet's new certificate cannot be used; it goes on with the old one",
      );
    }
  }

  /** To be called when somebody connects. */
  recheck(server: Server, nowMs: number): void {
    if (nowMs - this.checkedAtMs < RECHECK_MS) return;
    this.checkedAtMs = nowMs;
    if (this.filesStamp() !== this.stamp) this.renew(server);
  }

  private filesStamp(): string {
    const { tlsCertFile, tlsPrivateKeyFile, authentication } = this.options.configuration;
    return [tlsCertFile, tlsPrivateKeyFile, authentication.x509.clientCAFile]
      .filter(path => path !== '')
      .map(path => {
        const found = statSync(path, { throwIfNoEntry: false });
        return `${found?.ino} ${found?.mtimeMs} ${found?.size}`;
      })
      .join();
  }
}

function read(setting: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Error(`Cannot read ${path}, which ${setting} names: ${(error as Error).message}`, { cause: error });
  }
}
