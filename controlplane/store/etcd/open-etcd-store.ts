/**
 * Connects to etcd and makes sure that it can be worked with: it answers, is new enough, is one cluster, and what stands under the prefix is ours.
 */
import { systemClock, type Clock } from '../../../machinery/process/clock.ts';
import { silentLogger, type Logger } from '../../../machinery/process/logger.ts';
import { KVService } from '../../../proto/etcd/rpc.gen.ts';
import { StoreUnavailableError, type Store } from '../store.ts';
import { Endpoint } from './endpoint.ts';
import { EtcdClient } from './etcd-client.ts';
import { EtcdStore } from './etcd-store.ts';
import { prefixRange } from './key-range.ts';
import { isSupported } from './member-version.ts';
import { TlsFiles, type EtcdTlsFiles } from './tls-files.ts';

/** How long a first answer is waited for: machines that boot together need not start in order. */
const START_MS = 30_000;
const AGAIN_MS = 500;
const MARK_AFTER_MS = 30;
/** How upstream marks its protobuf values. */
const PROTOBUF_MARK = Buffer.from('k8s\0');

export interface EtcdStoreOptions {
  /** `http://host:port` or `https://host:port`, at least one; members of one cluster. */
  readonly endpoints: readonly string[];
  readonly tls?: EtcdTlsFiles | undefined;
  /** All keys begin with this: `/registry`. Without a slash at its end. Default: none, so that every key begins with a slash. */
  readonly prefix?: string;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** How long to wait for a first answer, milliseconds. Default 30 s. */
  readonly startMs?: number;
  /**
   * Before 3.4.25 and 3.5.8: how long a watch is waited for before a key of our own is written to see how far it is. Default 30 ms.
   */
  readonly markAfterMs?: number;
  /** Ends the waiting. */
  readonly signal?: AbortSignal | undefined;
}

/** @throws StoreUnavailableError: unreachable, denied, foreign, newerFormat */
export async function openEtcdStore(options: EtcdStoreOptions): Promise<Store> {
  const { endpoints, clock = systemClock, logger = silentLogger, prefix = '', markAfterMs = MARK_AFTER_MS } = options;
  const tls = new TlsFiles(options.tls ?? {});
  const root = `${prefix}/`;
  const client = new EtcdClient({
    endpoints: endpoints.map(url => new Endpoint(url, url.startsWith('https:') ? tls : undefined)),
    probeKey: Buffer.from(root),
    clock,
    logger,
  });
  try {
    // Certificates that cannot be used are not waited for.
    if (endpoints.some(url => url.startsWith('https:'))) tls.current();
    await firstAnswer(client, options, clock);
    await checkMembers(client, endpoints, logger);
    await checkContent(client, root, endpoints);
    return new EtcdStore({ client, prefix: root, markAfterMs, clock, logger });
  } catch (error) {
    await client.close();
    throw error;
  }
}

async function firstAnswer(client: EtcdClient, options: EtcdStoreOptions, clock: Clock): Promise<void> {
  const { startMs = START_MS, signal, prefix = '' } = options;
  const sinceMs = clock.monotonicMs();
  for (;;) {
    try {
      await client.read(KVService.range, { key: Buffer.from(`${prefix}/`), keysOnly: true });
      return;
    } catch (error) {
      const waitedMs = clock.monotonicMs() - sinceMs;
      const mayComeUp = error instanceof StoreUnavailableError && error.reason === 'unreachable';
      if (!mayComeUp) throw error;
      if (waitedMs >= startMs) {
        throw new StoreUnavailableError(
          'unreachable',
          `${error.message}; tried for ${Math.round(waitedMs / 1000)} s`,
          error.cause,
        );
      }
      await clock.sleep(AGAIN_MS, signal);
    }
  }
}

async function checkMembers(client: EtcdClient, endpoints: readonly string[], logger: Logger): Promise<void> {
  for (const [i, member] of (await client.meet()).entries()) {
    const endpoint = endpoints[i];
    if (member instanceof StoreUnavailableError) throw member;
    // The others do without it until it comes.
    if (member instanceof Error) continue;
    if (!isSupported(member.version)) {
      const message = `etcd at ${endpoint} has version ${member.version}; 3.4 or newer is needed`;
      throw new StoreUnavailableError('newerFormat', message);
    }
    if (member.problems.length > 0)
      logger.warn({ endpoint, problems: member.problems }, 'etcd has problems of its own');
  }
}

/** Another API server's data in another encoding must not be mixed with ours. */
async function checkContent(client: EtcdClient, root: string, endpoints: readonly string[]): Promise<void> {
  const { kvs } = await client.read(KVService.range, { ...prefixRange(root), limit: 1 });
  const first = kvs[0];
  if (first === undefined || !first.value.subarray(0, PROTOBUF_MARK.length).equals(PROTOBUF_MARK)) return;
  throw new StoreUnavailableError(
    'foreign',
    `etcd at ${endpoints.join(', ')} holds another API server's data under ${root} (${first.key.toString()} is protobuf); choose another --etcd-prefix`,
  );
}
