/** An informer of nothing, for parts that are only made to clean up. */
import type { Informer } from '../../machinery/client/informer.ts';
import { nodes } from '../../machinery/client/resource.ts';
import type { Node } from '../../proto/api/core-v1.ts';

export function emptyInformer(): Informer<Node> {
  return {
    resource: nodes,
    lister: { get: () => undefined, list: () => [], byIndex: () => [] },
    addHandler: () => () => undefined,
    addIndex: () => undefined,
    synced: () => Promise.resolve(),
    hasSynced: () => false,
  };
}
