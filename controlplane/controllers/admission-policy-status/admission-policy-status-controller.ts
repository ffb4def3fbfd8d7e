/**
 * Says of each ValidatingAdmissionPolicy that its newest state has been seen.
 *
 * Differs: types of expressions are not checked, and so `status.typeChecking`, which would say that nothing is wrong with them, is left out.
 */
import type { ValidatingAdmissionPolicy } from '../../../proto/api/admissionregistration-v1.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { validatingAdmissionPolicies } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { writeStatus } from '../runtime/write-object.ts';

export class AdmissionPolicyStatusController implements Controller, Reconciler {
  readonly name = 'validatingadmissionpolicy-status-controller';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly policies: Informer<ValidatingAdmissionPolicy>;

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.policies = context.informers.informer(validatingAdmissionPolicies);
    const wake = ({ metadata }: ValidatingAdmissionPolicy): void => this.queue.add(metadata.name ?? '');
    this.policies.addHandler({ onAdd: wake, onUpdate: (_older, policy) => wake(policy) });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    return runQueue({ name, context, queue, reconciler: this, informers: [this.policies], workers: 1 }, signal);
  }

  async reconcile(name: string, signal: AbortSignal): Promise<ReconcileResult> {
    const policy = this.policies.lister.get(undefined, name);
    const observedGeneration = policy?.metadata.generation;
    if (policy === undefined || policy.status?.observedGeneration === observedGeneration) return 'awaitChange';
    const status = { ...policy.status, observedGeneration };
    await writeStatus(this.context.client, validatingAdmissionPolicies, { ...policy, status }, signal);
    return 'awaitChange';
  }
}
