/** What the scheduler does for claims that wait for their first consumer: it says which node it is. Here any that there is. Keys: claims. */
import type { Node, PersistentVolumeClaim } from '../../../../proto/api/core-v1.ts';
import type { Informer } from '../../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../../machinery/client/reconcile.ts';
import { nodes, persistentVolumeClaims } from '../../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../../machinery/client/work-queue.ts';
import { keyOf, splitKey } from '../../../../machinery/meta/object.ts';
import { SELECTED_NODE } from '../../../../machinery/meta/volume-annotations.ts';
import { absent } from '../../../../machinery/meta/status-error-from.ts';
import { runQueue, type Controller, type ControllerContext } from '../../runtime/controller.ts';

export class ChooseNodes implements Controller, Reconciler {
  readonly name = 'choose-nodes';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly claims: Informer<PersistentVolumeClaim>;
  private readonly nodes: Informer<Node>;

  /** @param classes those of which claims wait */
  constructor(context: ControllerContext, classes: readonly string[]) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.claims = context.informers.informer(persistentVolumeClaims);
    this.nodes = context.informers.informer(nodes);
    const onClaim = (claim: PersistentVolumeClaim): void => {
      if (classes.includes(claim.spec.storageClassName ?? '')) this.queue.add(keyOf(claim));
    };
    this.claims.addHandler({ onAdd: onClaim, onUpdate: (_older, claim) => onClaim(claim) });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    return runQueue({ name, context, queue, reconciler: this, informers: [this.claims, this.nodes] }, signal);
  }

  async reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { namespace, name } = splitKey(key);
    const claim = this.claims.lister.get(namespace, name);
    if (claim === undefined || (claim.spec.volumeName ?? '') !== '') return 'awaitChange';
    const { annotations = {}, deletionTimestamp, resourceVersion = '', uid } = claim.metadata;
    if (deletionTimestamp !== undefined || annotations[SELECTED_NODE] !== undefined) return 'awaitChange';
    const all = this.nodes.lister.list();
    const node = all[Number(resourceVersion) % Math.max(1, all.length)];
    if (node === undefined) return 'awaitChange';
    const patch = { metadata: { uid, annotations: { [SELECTED_NODE]: node.metadata.name } } };
    await this.context.client.of(persistentVolumeClaims).patch({ namespace, name }, patch, { type: 'merge', signal }).catch(absent);
    return 'awaitChange';
  }
}
