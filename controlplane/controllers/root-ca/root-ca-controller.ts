/**
 * Publishes the cluster's authority in every namespace as ConfigMap `kube-root-ca.crt`, and repairs it.
 * Source: upstream `pkg/controller/certificates/rootcacertpublisher`.
 */
import type { ConfigMap, Namespace } from '../../../proto/api/core-v1.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { configMaps, namespaces } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { ensure } from '../runtime/ensure.ts';

const NAME = 'kube-root-ca.crt';
const DESCRIPTION =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.';

export class RootCaController implements Controller, Reconciler {
  readonly name = 'root-ca-cert-publisher';
  private readonly context: ControllerContext;
  private readonly caPem: string;
  private readonly queue: WorkQueue;
  private readonly namespaces: Informer<Namespace>;
  private readonly maps: Informer<ConfigMap>;

  constructor(context: ControllerContext, caPem: string) {
    this.context = context;
    this.caPem = caPem;
    this.queue = new WorkQueue({ clock: context.clock });
    this.namespaces = context.informers.informer(namespaces);
    this.maps = context.informers.informer(configMaps, { fieldSelector: `metadata.name=${NAME}` });
    const wake = (namespace: Namespace): void => this.queue.add(namespace.metadata.name ?? '');
    this.namespaces.addHandler({ onAdd: wake, onUpdate: (_older, namespace) => wake(namespace) });
    const repair = (map: ConfigMap): void => this.queue.add(map.metadata.namespace ?? '');
    this.maps.addHandler({ onUpdate: (_older, map) => repair(map), onDelete: repair });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    return runQueue({ name, context, queue, reconciler: this, informers: [this.namespaces, this.maps] }, signal);
  }

  async reconcile(namespace: string, signal: AbortSignal): Promise<ReconcileResult> {
    const found = this.namespaces.lister.get(undefined, namespace);
    if (found === undefined || found.metadata.deletionTimestamp !== undefined) return 'awaitChange';
    const data = { 'ca.crt': this.caPem };
    const known = this.maps.lister.get(namespace, NAME);
    const { client } = this.context;
    if (known === undefined) {
      const annotations = { 'kubernetes.io/description': DESCRIPTION };
      await ensure(client, configMaps, { metadata: { namespace, name: NAME, annotations }, data }, signal);
    } else if (known.data?.['ca.crt'] !== this.caPem) {
      await client.of(configMaps).update({ ...known, data }, { signal });
    }
    return 'awaitChange';
  }
}
