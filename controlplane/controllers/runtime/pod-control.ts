/**
 * Makes and deletes the pods of owners, tells of it in events, and remembers what the informer does not show yet.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import { subjectOf } from '../../../machinery/client/event-recorder.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import { pods, type AnyObject, type Resource } from '../../../machinery/client/resource.ts';
import { errorText } from '../../../machinery/meta/error-text.ts';
import { isNotFound } from '../../../machinery/meta/status-error-from.ts';
import type { ControllerContext } from './controller.ts';
import { PendingWrites } from './pending-writes.ts';
import { isNamespaceTerminating } from './namespace-terminating.ts';

export class PodControl<T extends AnyObject> {
  readonly pending: PendingWrites<Pod>;
  private readonly context: ControllerContext;
  private readonly resource: Resource<T>;
  private readonly pods: Informer<Pod>;

  constructor(context: ControllerContext, resource: Resource<T>, informer: Informer<Pod>) {
    this.context = context;
    this.resource = resource;
    this.pods = informer;
    this.pending = new PendingWrites(context.clock);
  }

  /** @throws StatusError; not for a namespace that is going away: the owner goes with it */
  async create(owner: T, pod: Pod, signal: AbortSignal): Promise<void> {
    const { client, events } = this.context;
    const subject = subjectOf(this.resource, owner);
    try {
      const made = await client.of(pods).create(pod, { signal });
      if (this.pods.lister.get(made.metadata.namespace, made.metadata.name ?? '') === undefined) {
        this.pending.noteCreated(owner.metadata.uid ?? '', made);
      }
      events.event(subject, 'Normal', 'SuccessfulCreate', `Created pod: ${made.metadata.name}`);
    } catch (error) {
      if (isNamespaceTerminating(error)) return;
      if (signal.aborted) throw error;
      const why = errorText(error);
      events.event(subject, 'Warning', 'FailedCreate', `Error creating: ${why}`);
      throw error;
    }
  }

  /** That the pod is gone already is fine. @throws StatusError */
  async delete(owner: T, pod: Pod, signal: AbortSignal): Promise<void> {
    const { client, events } = this.context;
    const { namespace, name = '', uid } = pod.metadata;
    const ownerUid = owner.metadata.uid ?? '';
    const subject = subjectOf(this.resource, owner);
    this.pending.noteDeleted(ownerUid, pod);
    try {
      await client.of(pods).delete({ namespace, name }, { preconditions: { uid }, signal });
      events.event(subject, 'Normal', 'SuccessfulDelete', `Deleted pod: ${name}`);
    } catch (error) {
      this.pending.seen(ownerUid, pod, true);
      if (isNotFound(error)) return;
      if (!signal.aborted) {
        const why = errorText(error);
        events.event(subject, 'Warning', 'FailedDelete', `Error deleting: ${why}`);
      }
      throw error;
    }
  }
}
