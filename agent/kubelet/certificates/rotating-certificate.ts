/**
 * Keeps a certificate good: another is got before it ends, and as soon as the node is reached by a name that it lacks. Nothing is restarted, and
 * nothing is done in between.
 */
import type { KeyPair } from '../../../machinery/pki/certificate.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Component } from '../../../machinery/process/component.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { CertificateMetrics } from './certificate-metrics.ts';
import { hasNames, lifeOf, rotationTimeMs, type CertificateNames } from './plan/rotation.ts';

export interface CertificateSource {
  /** Good when the node starts. */
  readonly pair: KeyPair;
  /** The pair is a makeshift: another is got at once. */
  readonly isMakeshift?: boolean;
  /** Gets another, and keeps it for the next start. Waits for whoever approves it. @throws when nobody signs it */
  renew(names: CertificateNames, signal: AbortSignal): Promise<KeyPair>;
}

export interface RotatingCertificateOptions {
  readonly kind: 'client' | 'server';
  readonly source: CertificateSource;
  readonly onRenewed: () => void;
  readonly metrics: CertificateMetrics;
  readonly clock: Clock;
  readonly logger: Logger;
  /** In [0, 1). */
  readonly random: () => number;
}

const RETRY_MS = { first: 2_000, last: 5 * 60_000 };

export class RotatingCertificate implements Component {
  readonly name: string;
  private readonly options: RotatingCertificateOptions;
  private pair: KeyPair;
  private names: CertificateNames = { dnsNames: [], ipAddresses: [] };
  private dueMs: number;
  private wake: () => void = () => undefined;

  constructor(options: RotatingCertificateOptions) {
    const { kind, source, metrics } = options;
    this.name = `${kind}-certificate`;
    this.options = options;
    this.pair = source.pair;
    this.dueMs = source.isMakeshift === true ? 0 : this.nextRotationMs();
    metrics.follow(kind, () => lifeOf(this.pair.certPem).toMs);
  }

  get current(): KeyPair {
    return this.pair;
  }

  ready(): Promise<void> {
    return Promise.resolve();
  }

  /** From now on the node is reached by these. */
  setNames(names: CertificateNames): void {
    this.names = names;
    if (!hasNames(this.pair.certPem, names)) this.dueMs = 0;
    this.wake();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.options;
    let retryMs = RETRY_MS.first;
    while (!signal.aborted) {
      const waitMs = this.isNamed() ? this.dueMs - clock.now() : Infinity;
      if (waitMs > 0) {
        await this.sleep(waitMs, signal);
        continue;
      }
      if (await this.renew(signal)) retryMs = RETRY_MS.first;
      else {
        await clock.sleep(retryMs, signal).catch(() => undefined);
        retryMs = Math.min(2 * retryMs, RETRY_MS.last);
      }
    }
  }

  /** @returns whether the node has another now */
  private async renew(signal: AbortSignal): Promise<boolean> {
    const { kind, source, onRenewed, metrics, clock, logger } = this.options;
    const { names } = this;
    try {
      const before = lifeOf(this.pair.certPem);
      this.pair = await source.renew(names, signal);
      metrics.rotated(kind, (clock.now() - before.fromMs) / 1000);
      // A name that came meanwhile is asked for at once.
      this.dueMs = hasNames(this.pair.certPem, this.names) ? this.nextRotationMs() : 0;
      logger.info(
        { validTo: new Date(lifeOf(this.pair.certPem).toMs).toISOString() },
        `The ${kind} certificate was renewed`,
      );
      onRenewed();
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      metrics.failed(kind);
      const { toMs } = lifeOf(this.pair.certPem);
      logger.warn(
        { err: error, validTo: new Date(toMs).toISOString() },
        `The ${kind} certificate cannot be renewed now; it is tried again`,
      );
      return false;
    }
  }

  /** Servers need names, and a node says its own once it is registered. */
  private isNamed(): boolean {
    return this.options.kind === 'client' || this.names.dnsNames.length + this.names.ipAddresses.length > 0;
  }

  private nextRotationMs(): number {
    return rotationTimeMs(this.pair.certPem, this.options.random());
  }

  private async sleep(ms: number, signal: AbortSignal): Promise<void> {
    await new Promise<void>(resolve => {
      const done = (): void => {
        cancel();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const cancel = this.options.clock.after(ms, done);
      this.wake = done;
      signal.addEventListener('abort', done, { once: true });
      if (signal.aborted) done();
    });
  }
}
