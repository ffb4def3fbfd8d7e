/**
 * Empties namespaces that are being deleted, then lets them go by removing the `kubernetes` finalizer.
 * While something is left it looks again: at once when a pod of the namespace goes, else with growing pauses.
 */
import type { Namespace } from '../../../proto/api/core-v1.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { namespaces, pods, type AnyObject, type Resource } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { errorText } from '../../../machinery/meta/error-text.ts';
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import { hasReason, isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { discoverResources } from '../runtime/discover-resources.ts';
import { isEmpty, planConditions, type ContentReport } from './plan.ts';

const FINALIZER = 'kubernetes';
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 5_000;

export class NamespaceController implements Controller, Reconciler {
  readonly name = 'namespace-controller';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly namespaces: Informer<Namespace>;
  private readonly looks = new Map<string, number>();

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.namespaces = context.informers.informer(namespaces);
    const wake = ({ metadata }: Namespace): void => {
      if (metadata.deletionTimestamp !== undefined) this.queue.add(metadata.name ?? '');
    };
    this.namespaces.addHandler({
      onAdd: wake,
      onUpdate: (older, namespace) => {
        // Our own status writes are no reason to look again.
        const same = older.metadata.deletionTimestamp !== undefined && jsonEquals(older.spec, namespace.spec);
        if (!same) wake(namespace);
      },
      onDelete: namespace => this.looks.delete(namespace.metadata.name ?? ''),
    });
    context.informers.informer(pods).addHandler({
      onDelete: pod => {
        const namespace = this.namespaces.lister.get(undefined, pod.metadata.namespace ?? '');
        if (namespace !== undefined) wake(namespace);
      },
    });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    return runQueue({ name, context, queue, reconciler: this, informers: [this.namespaces] }, signal);
  }

  async reconcile(name: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { client, clock } = this.context;
    const listed = this.namespaces.lister.get(undefined, name);
    if (listed?.metadata.deletionTimestamp === undefined) return 'awaitChange';
    try {
      const namespace = await client.of(namespaces).get({ name }, signal);
      if (namespace.metadata.uid !== listed.metadata.uid) return 'awaitChange';
      if (namespace.spec?.finalizers?.includes(FINALIZER) !== true) return 'awaitChange';
      const report = await this.deleteContent(name, signal);
      const conditions = planConditions(namespace, report, clock.now());
      const status = { ...namespace.status, phase: 'Terminating', conditions };
      if (isEmpty(report)) return await this.finalize({ ...namespace, status }, signal);
      if (!jsonEquals(status, namespace.status))
        await client.of(namespaces).updateStatus({ ...namespace, status }, { signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      return 'awaitChange';
    }
    const looks = this.looks.get(name) ?? 0;
    this.looks.set(name, looks + 1);
    return { afterMs: Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(looks, 10)) };
  }

  private async finalize(namespace: Namespace, signal: AbortSignal): Promise<ReconcileResult> {
    const finalizers = namespace.spec?.finalizers?.filter(finalizer => finalizer !== FINALIZER) ?? [];
    const next = { ...namespace, spec: { ...namespace.spec, finalizers } };
    const ref = { name: namespace.metadata.name ?? '' };
    await this.context.client.of(namespaces).updateSubresource(ref, 'finalize', next, { signal });
    return 'awaitChange';
  }

  private async deleteContent(namespace: string, signal: AbortSignal): Promise<ContentReport> {
    const remaining = new Map<string, number>();
    const finalizers = new Map<string, number>();
    const discovery = await discoverResources(this.context.client, signal);
    const report = {
      discoveryFailures: discovery.failures.map(({ groupVersion, error }) => `${groupVersion}: ${error.message}`),
      deletionFailures: [] as string[],
      remaining,
      finalizers,
    };
    const deletable = discovery.resources.filter(
      r => r.namespaced && r.verbs.includes('list') && r.verbs.includes('delete'),
    );
    const work = deletable.map(async resource => {
      try {
        const left = await this.deleteAll(resource, namespace, resource.verbs.includes('deletecollection'), signal);
        if (left.length > 0) remaining.set(`${resource.resource}.${resource.group}`, left.length);
        for (const finalizer of left.flatMap(object => object.metadata.finalizers ?? [])) {
          finalizers.set(finalizer, (finalizers.get(finalizer) ?? 0) + 1);
        }
      } catch (error) {
        signal.throwIfAborted();
        if (hasReason(error, 'MethodNotAllowed', 'NotFound')) return;
        report.deletionFailures.push(errorText(error));
      }
    });
    await Promise.all(work);
    return report;
  }

  /** @returns what is left afterwards */
  private async deleteAll(
    resource: Resource<AnyObject>,
    namespace: string,
    collection: boolean,
    signal: AbortSignal,
  ): Promise<AnyObject[]> {
    const client = this.context.client.of(resource);
    const { items } = await client.list({ namespace, signal });
    const alive = items.filter(object => object.metadata.deletionTimestamp === undefined);
    if (alive.length === 0) return items;
    if (collection) await client.deleteCollection({ namespace }, { propagationPolicy: 'Background', signal });
    else
      await Promise.all(
        alive.map(({ metadata }) =>
          client.delete({ namespace, name: metadata.name ?? '' }, { signal }).catch(ignoreNotFound),
        ),
      );
    return (await client.list({ namespace, signal })).items;
  }
}

function ignoreNotFound(error: unknown): void {
  if (!isNotFound(error)) throw error;
}
