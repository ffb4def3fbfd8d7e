/**
 * Makes etcd forget history, about every `PERIOD_MS` up to where it stood a period before. Several API servers, upstream's among them, share the
 * work by one key: its version counts the periods, and whoever raises it compacts. So the same name and meaning as upstream's.
 *
 * Source: Kubernetes, `apiserver/pkg/storage/etcd3/compact.go`, behaviour.
 */
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import { Compare_CompareResult, Compare_CompareTarget, KVService } from '../../../proto/etcd/rpc.gen.ts';
import type { EtcdClient } from './etcd-client.ts';

const KEY = Buffer.from('compact_rev_key');
const PERIOD_MS = 5 * 60_000;

interface HistoryCompactorParts {
  readonly client: EtcdClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly compact: (revision: number) => Promise<void>;
}

export class HistoryCompactor {
  private readonly parts: HistoryCompactorParts;
  /** The key's version as last seen, and the revision at that time. */
  private period = 0;
  private revision = 0;
  private cancel: () => void = () => {};
  private stopped = false;

  constructor(parts: HistoryCompactorParts) {
    this.parts = parts;
    this.arm();
  }

  stop(): void {
    this.stopped = true;
    this.cancel();
  }

  private arm(): void {
    if (!this.stopped)
      this.cancel = this.parts.clock.after(PERIOD_MS, () => void this.turn().finally(() => this.arm()));
  }

  private async turn(): Promise<void> {
    try {
      const before = this.revision;
      // Nothing is compacted at first: what was written meanwhile is not known to be old.
      if ((await this.beginPeriod()) && before > 0) await this.parts.compact(before);
    } catch (error) {
      if (!this.stopped) this.parts.logger.warn({ err: error }, 'etcd history could not be compacted');
    }
  }

  /** @returns whether this server is the one that began it */
  private async beginPeriod(): Promise<boolean> {
    const answer = await this.parts.client.write(KVService.txn, {
      compare: [
        {
          result: Compare_CompareResult.EQUAL,
          target: Compare_CompareTarget.VERSION,
          key: KEY,
          version: this.period,
        },
      ],
      success: [{ requestPut: { key: KEY, value: Buffer.from(String(this.revision)) } }],
      failure: [{ requestRange: { key: KEY } }],
    });
    const seen = answer.responses[0]?.responseRange?.kvs[0]?.version ?? 0;
    this.period = answer.succeeded ? this.period + 1 : seen;
    this.revision = answer.header?.revision ?? 0;
    return answer.succeeded;
  }
}
