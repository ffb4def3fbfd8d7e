/** The store that the configuration asks for: etcd where its members are named, else a file of our own. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { systemClock } from '../../machinery/process/clock.ts';
import { openEtcdStore } from '../../controlplane/store/etcd/open-etcd-store.ts';
import { openSqliteStore } from '../../controlplane/store/sqlite/open-sqlite-store.ts';
import type { Store } from '../../controlplane/store/store.ts';
import type { DaemonContext } from '../daemon.ts';

export interface OpenedStore {
  readonly store: Store;
  /** What its keys begin with; absent: as always. */
  readonly keyPrefix?: string;
}

/** @throws StoreUnavailableError */
export async function openStore({ config, paths, logger, progress, signal }: DaemonContext): Promise<OpenedStore> {
  const { etcdServers: endpoints, etcdPrefix: prefix } = config;
  const parts = { clock: systemClock, logger: logger.child({ part: 'store' }) };
  if (endpoints === undefined) {
    mkdirSync(dirname(paths.store), { recursive: true, mode: 0o700 });
    const open = (): Promise<Store> => openSqliteStore({ path: paths.store, ...parts });
    return { store: await progress.step('store', open, () => paths.store) };
  }
  const tls = { caFile: config.etcdCafile, certFile: config.etcdCertfile, keyFile: config.etcdKeyfile };
  const open = (): Promise<Store> => openEtcdStore({ endpoints, tls, prefix, signal, ...parts });
  return { store: await progress.step('store', open, () => `etcd at ${endpoints.join(', ')}`), keyPrefix: prefix };
}
