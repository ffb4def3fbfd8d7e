/**
 * Deletes certificate requests that have done their service: an hour after they were decided, a day after nobody did, and when their certificate
 * has expired. Each has a timer; nothing is scanned.
 */
import { X509Certificate } from 'node:crypto';
import type { CertificateSigningRequest } from '../../../proto/api/certificates-v1.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { certificateSigningRequests } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { absent } from '../../../machinery/meta/status-error-from.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { cleanedAtMs } from './plan.ts';

export class CsrCleaner implements Controller, Reconciler {
  readonly name = 'csrcleaner';
  private readonly context: ControllerContext;
  private readonly queue: WorkQueue;
  private readonly requests: Informer<CertificateSigningRequest>;

  constructor(context: ControllerContext) {
    this.context = context;
    this.queue = new WorkQueue({ clock: context.clock });
    this.requests = context.informers.informer(certificateSigningRequests);
    const wake = (csr: CertificateSigningRequest): void => this.queue.add(csr.metadata.name ?? '');
    this.requests.addHandler({ onAdd: wake, onUpdate: (_older, csr) => wake(csr) });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    return runQueue({ name, context, queue, reconciler: this, informers: [this.requests], workers: 1 }, signal);
  }

  async reconcile(name: string, signal: AbortSignal): Promise<ReconcileResult> {
    const csr = this.requests.lister.get(undefined, name);
    const dueMs = csr === undefined ? undefined : cleanedAtMs(csr, expiryOf(csr));
    if (csr === undefined || dueMs === undefined) return 'awaitChange';
    const leftMs = dueMs - this.context.clock.now();
    if (leftMs > 0) return { afterMs: leftMs };
    const preconditions = { uid: csr.metadata.uid, resourceVersion: csr.metadata.resourceVersion };
    await this.context.client.of(certificateSigningRequests).delete({ name }, { preconditions, signal }).catch(absent);
    return 'awaitChange';
  }
}

/** Of its certificate; other signers' may be anything. */
function expiryOf({ status }: CertificateSigningRequest): number | undefined {
  if ((status?.certificate ?? '') === '') return undefined;
  try {
    return Date.parse(new X509Certificate(Buffer.from(status?.certificate ?? '', 'base64')).validTo);
  } catch {
    return undefined;
  }
}
