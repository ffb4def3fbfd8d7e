/**
 * Empties namespaces that are being deleted, then lets them go by removing the `kubernetes` finalizer.
 * While something is left it looks again: at once when one of those goes, else with growing pauses.
 */
import type { Namespace } from '../../../proto/api/core-v1.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { namespaces, pods, type AnyObject } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import { isDeleting } from '../../../machinery/meta/object.ts';
import { isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { emptyNamespace } from './namespace-content.ts';
import { isEmpty, planConditions } from './plan.ts';

const FINALIZER = 'kubernetes';
const FIRST_PAUSE_MS = 50;
/** Of what holds a namespace up only the end is an event: an object's failure to go is not. */
const LONGEST_PAUSE_MS = 15_000;

export class NamespaceController implements Controller, Reconciler {
  readonly name = 'namespace-controller';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly namespaces: Informer<Namespace>;
  private readonly looks = new Map<string, number>();
  /** Told when an object of a kind goes that once held a namespace up. */
  private readonly listened = new WeakSet<Informer<AnyObject>>();

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.namespaces = context.informers.informer(namespaces);
    const wake = (namespace: Namespace): void => {
      if (isDeleting(namespace)) this.queue.add(namespace.metadata.name ?? '');
    };
    this.namespaces.addHandler({
      onAdd: wake,
      onUpdate: (older, namespace) => {
        // Our own status writes are no reason to look again.
        if (!isDeleting(older) || !jsonEquals(older.spec, namespace.spec)) wake(namespace);
      },
      onDelete: namespace => this.looks.delete(namespace.metadata.name ?? ''),
    });
    this.listen(context.informers.informer(pods));
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    return runQueue({ name, context, queue, reconciler: this, informers: [this.namespaces], workers: 10 }, signal);
  }

  async reconcile(name: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { client, clock, informers } = this.context;
    const listed = this.namespaces.lister.get(undefined, name);
    if (listed === undefined || !isDeleting(listed)) return 'awaitChange';
    try {
      const namespace = await client.of(namespaces).get({ name }, signal);
      if (namespace.metadata.uid !== listed.metadata.uid) return 'awaitChange';
      if (namespace.spec?.finalizers?.includes(FINALIZER) !== true) return 'awaitChange';
      const report = await emptyNamespace(client, namespace, clock.now(), signal);
      const conditions = planConditions(namespace, report, clock.now());
      const status = { ...namespace.status, phase: 'Terminating', conditions: [...conditions] };
      for (const { verbs, ...resource } of report.left)
        if (verbs.includes('watch')) this.listen(informers.informer<AnyObject>(resource, { ownershipOnly: true }));
      const finalizers = namespace.spec.finalizers.filter(finalizer => finalizer !== FINALIZER);
      const stays = !isEmpty(report) || finalizers.length + (namespace.metadata.finalizers ?? []).length > 0;
      let written = namespace;
      if (stays && !jsonEquals(status, namespace.status))
        written = await client.of(namespaces).updateStatus({ ...namespace, status }, { signal });
      if (isEmpty(report)) {
        const next = { ...written, spec: { ...written.spec, finalizers } };
        await client.of(namespaces).updateSubresource({ name }, 'finalize', next, { signal });
        return 'awaitChange';
      }
    } catch (error) {
      if (!isNotFound(error)) throw error;
      return 'awaitChange';
    }
    const looks = this.looks.get(name) ?? 0;
    this.looks.set(name, looks + 1);
    return { afterMs: Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(looks, 10)) };
  }

  /** The garbage collector follows these too: it is the same copy. */
  private listen<T extends AnyObject>(informer: Informer<T>): void {
    const listening = informer as unknown as Informer<AnyObject>;
    if (this.listened.has(listening)) return;
    this.listened.add(listening);
    listening.addHandler({
      onDelete: ({ metadata }) => {
        const namespace = this.namespaces.lister.get(undefined, metadata.namespace ?? '');
        if (namespace !== undefined && isDeleting(namespace)) this.queue.add(metadata.namespace ?? '');
      },
    });
  }
}
