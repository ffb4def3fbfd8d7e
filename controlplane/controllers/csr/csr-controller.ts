/**
 * Approves the certificate requests of nodes and signs approved ones with the cluster's authority.
 */
import type { CertificateSigningRequest } from '../../../proto/api/certificates-v1.ts';
import type { Node } from '../../../proto/api/core-v1.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { certificateSigningRequests, nodes } from '../../../machinery/client/resource.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { isConditionTrue } from '../../../machinery/meta/object.ts';
import { isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { formatTime } from '../../../machinery/meta/time.ts';
import { BACKDATE_MS, DAY_MS, issueCertificate, type KeyPair } from '../../../machinery/pki/certificate.ts';
import { parseSigningRequest, type SigningRequest } from '../../../machinery/pki/signing-request.ts';
import { runQueue, type Controller, type ControllerContext } from '../runtime/controller.ts';
import { API_CLIENT, KUBELET_CLIENT, KUBELET_SERVING, nodeNames, planApproval, signingProblem } from './plan.ts';

const SIGNERS = new Set([KUBELET_CLIENT, KUBELET_SERVING, API_CLIENT]);

export class CsrController implements Controller, Reconciler {
  readonly name = 'certificate-controller';
  private readonly context: ControllerContext;
  private readonly authority: KeyPair;
  private readonly reserved: readonly string[];
  private readonly queue: WorkQueue;
  private readonly requests: Informer<CertificateSigningRequest>;
  private readonly nodes: Informer<Node>;

  /** @param reserved names and addresses for which no node gets a certificate */
  constructor(context: ControllerContext, authority: KeyPair, reserved: readonly string[] = []) {
    this.context = context;
    this.authority = authority;
    this.reserved = reserved;
    this.queue = new WorkQueue({ clock: context.clock });
    this.requests = context.informers.informer(certificateSigningRequests);
    this.nodes = context.informers.informer(nodes);
    const wake = (csr: CertificateSigningRequest): void => this.queue.add(csr.metadata.name ?? '');
    this.requests.addHandler({ onAdd: wake, onUpdate: (_older, csr) => wake(csr) });
  }

  run(signal: AbortSignal): Promise<void> {
    const { context, queue, name } = this;
    return runQueue(
      { name, context, queue, reconciler: this, informers: [this.requests, this.nodes], workers: 2 },
      signal,
    );
  }

  async reconcile(name: string, signal: AbortSignal): Promise<ReconcileResult> {
    const csr = this.requests.lister.get(undefined, name);
    if (csr === undefined || (csr.status?.certificate ?? '') !== '' || !SIGNERS.has(csr.spec.signerName))
      return 'awaitChange';
    const conditions = csr.status?.conditions ?? [];
    if (isConditionTrue(conditions, 'Denied') || isConditionTrue(conditions, 'Failed')) return 'awaitChange';
    try {
      const request = this.read(csr);
      if (request instanceof Error) return await this.fail(csr, request.message, signal);
      if (!isConditionTrue(conditions, 'Approved')) return await this.approve(csr, request, signal);
      const problem = signingProblem(csr, request);
      if (problem !== undefined) return await this.fail(csr, problem, signal);
      const status = { ...csr.status, certificate: Buffer.from(this.sign(csr, request)).toString('base64') };
      await this.context.client.of(certificateSigningRequests).updateStatus({ ...csr, status }, { signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    return 'awaitChange';
  }

  private read(csr: CertificateSigningRequest): SigningRequest | Error {
    try {
      return parseSigningRequest(Buffer.from(csr.spec.request, 'base64').toString('utf8'));
    } catch (error) {
      return error as Error;
    }
  }

  private async approve(
    csr: CertificateSigningRequest,
    request: SigningRequest,
    signal: AbortSignal,
  ): Promise<ReconcileResult> {
    if (planApproval(csr, request, nodeNames(request, this.nodes.lister.list(), this.reserved)) === 'leave') {
      // A node's addresses may be told a moment after its request.
      return csr.spec.signerName === KUBELET_SERVING && !this.isOld(csr) ? { afterMs: 5000 } : 'awaitChange';
    }
    const now = formatTime(this.context.clock.now());
    const message = 'Auto approving kubelet certificate of a node.';
    const approved = {
      type: 'Approved',
      status: 'True',
      reason: 'AutoApproved',
      message,
      lastUpdateTime: now,
      lastTransitionTime: now,
    } as const;
    const status = { ...csr.status, conditions: [...(csr.status?.conditions ?? []), approved] };
    const ref = { name: csr.metadata.name ?? '' };
    await this.context.client
      .of(certificateSigningRequests)
      .updateSubresource(ref, 'approval', { ...csr, status }, { signal });
    return 'awaitChange';
  }

  private isOld(csr: CertificateSigningRequest): boolean {
    return this.context.clock.now() - Date.parse(csr.metadata.creationTimestamp ?? '') > 300_000;
  }

  private async fail(csr: CertificateSigningRequest, message: string, signal: AbortSignal): Promise<ReconcileResult> {
    const now = formatTime(this.context.clock.now());
    const failed = {
      type: 'Failed',
      status: 'True',
      reason: 'SignerValidationFailure',
      message,
      lastUpdateTime: now,
      lastTransitionTime: now,
    } as const;
    const status = { ...csr.status, conditions: [...(csr.status?.conditions ?? []), failed] };
    await this.context.client.of(certificateSigningRequests).updateStatus({ ...csr, status }, { signal });
    return 'awaitChange';
  }

  private sign(csr: CertificateSigningRequest, request: SigningRequest): string {
    const nowMs = this.context.clock.now();
    const lifetimeMs = Math.min(365 * DAY_MS, (csr.spec.expirationSeconds ?? Infinity) * 1000);
    return issueCertificate(this.authority, request.publicKey, {
      subject: request.subject,
      dnsNames: request.dnsNames,
      ipAddresses: request.ipAddresses,
      usages: csr.spec.usages?.includes('server auth') === true ? ['server'] : ['client'],
      notBeforeMs: nowMs - BACKDATE_MS,
      notAfterMs: nowMs + lifetimeMs,
    });
  }
}
