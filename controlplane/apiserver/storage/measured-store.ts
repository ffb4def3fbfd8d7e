/**
 * A store whose requests are timed, under the names that upstream has for those to etcd.
 */
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Store } from '../../store/store.ts';

/** @param observe told of each request when it has ended, well or not */
export function measuredStore(
  store: Store,
  clock: Clock,
  observe: (operation: string, seconds: number) => void,
): Store {
  const timed = async <R>(operation: string, work: Promise<R>): Promise<R> => {
    const startMs = clock.monotonicMs();
    try {
      return await work;
    } finally {
      observe(operation, (clock.monotonicMs() - startMs) / 1000);
    }
  };
  return {
    create: (key, value, options) => timed('create', store.create(key, value, options)),
    update: (key, value, expected, options) => timed('update', store.update(key, value, expected, options)),
    delete: (key, options) => timed('delete', store.delete(key, options)),
    get: (key, options) => timed('get', store.get(key, options)),
    list: (prefix, options) => timed('list', store.list(prefix, options)),
    watch: (prefix, after, signal, options) => store.watch(prefix, after, signal, options),
    compact: revision => store.compact(revision),
    currentRevision: () => store.currentRevision(),
    close: () => store.close(),
  };
}
