/**
 * What this process knows of etcd's revision, and the one quorum read that many askers share.
 *
 * A read that began after the call is what proves freshness: askers that come while one runs wait together for the next.
 */
import type { Logger } from '../../../machinery/process/logger.ts';
import { KVService } from '../../../proto/etcd/rpc.gen.ts';
import { StoreUnavailableError } from '../store.ts';
import type { EtcdClient } from './etcd-client.ts';

export class Freshness {
  private readonly client: EtcdClient;
  private readonly probeKey: Buffer;
  private readonly logger: Logger;
  private readonly listeners = new Set<() => void>();
  private running: Promise<number> | undefined;
  private next: Promise<number> | undefined;
  /** The newest revision that any answer has told. */
  known = 0;

  constructor(client: EtcdClient, probeKey: Buffer, logger: Logger) {
    this.client = client;
    this.probeKey = probeKey;
    this.logger = logger;
  }

  /** An answer told of `revision`. */
  learn(revision: number): void {
    if (revision <= this.known) return;
    this.known = revision;
    for (const listener of this.listeners) listener();
  }

  /** Calls `listener` when `known` rises; the returned function ends that. */
  onRise(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Linearizable: at least the revision of every write that was acknowledged, to whomever, before the call. */
  current(): Promise<number> {
    if (this.running === undefined) return this.begin();
    this.next ??= this.running.then(
      () => this.begin(),
      () => this.begin(),
    );
    return this.next;
  }

  private begin(): Promise<number> {
    this.next = undefined;
    const running = this.ask().finally(() => {
      if (this.running === running) this.running = undefined;
    });
    this.running = running;
    return running;
  }

  private async ask(): Promise<number> {
    const floor = this.known;
    const { header } = await this.client.read(KVService.range, { key: this.probeKey, keysOnly: true });
    const revision = header?.revision ?? 0;
    if (revision < floor) {
      const message = `etcd went back from revision ${floor} to ${revision}: it was restored or replaced; restart k8ts, so that nothing newer is remembered`;
      this.logger.error({ floor, revision }, 'etcd went back in time');
      throw new StoreUnavailableError('foreign', message);
    }
    this.learn(revision);
    return revision;
  }
}
