/**
 * Asks the cluster to sign a certificate: a CertificateSigningRequest is made and its signed certificate awaited.
 */
import { generateKeyPem, type AltNames, type KeyPair } from '../pki/certificate.ts';
import { createSigningRequest } from '../pki/signing-request.ts';
import type { Clock } from '../process/clock.ts';
import type { Client } from './client.ts';
import { certificateSigningRequests } from './resource.ts';

export interface CertificateWish {
  readonly nodeName: string;
  readonly signerName: 'kubernetes.io/kube-apiserver-client-kubelet' | 'kubernetes.io/kubelet-serving';
  readonly altNames?: AltNames | undefined;
}

export interface PatienceOptions {
  /** For whoever approves. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
}

/** The request was refused, or nobody approved it in time. */
export class CertificateRefused extends Error {
  override readonly name = 'CertificateRefused';
}

const USAGES = {
  'kubernetes.io/kube-apiserver-client-kubelet': 'client auth',
  'kubernetes.io/kubelet-serving': 'server auth',
} as const;
/** It is looked more seldom the longer it takes. */
const POLL_MS = { first: 100, last: 10_000 };
const POLL_GROWTH = 1.2;

/** @throws CertificateRefused naming the request and what to do; StatusError; the signal's reason */
export async function requestCertificate(
  client: Client,
  wish: CertificateWish,
  { timeoutMs, clock, signal }: PatienceOptions,
): Promise<KeyPair> {
  const keyPem = generateKeyPem();
  const subject = { commonName: `system:node:${wish.nodeName}`, organizations: ['system:nodes'] };
  const request = Buffer.from(createSigningRequest(keyPem, subject, wish.altNames)).toString('base64');
  const csrs = client.of(certificateSigningRequests);
  const made = await csrs.create(
    {
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'CertificateSigningRequest',
      metadata: { generateName: 'node-csr-' },
      spec: { request, signerName: wish.signerName, usages: ['digital signature', USAGES[wish.signerName]] },
    },
    { signal },
  );
  const name = made.metadata.name ?? '';
  const endMs = clock.now() + timeoutMs;
  for (let pollMs = POLL_MS.first; clock.now() < endMs; pollMs = Math.min(pollMs * POLL_GROWTH, POLL_MS.last)) {
    const { status } = await csrs.get({ name }, signal);
    const verdict = status?.conditions?.find(c => c.type === 'Denied' || c.type === 'Failed');
    if (verdict !== undefined)
      throw new CertificateRefused(
        `The cluster refused the certificate for node ${wish.nodeName} (${name}): ${verdict.message ?? verdict.reason ?? verdict.type}`,
      );
    if (status?.certificate !== undefined)
      return { certPem: Buffer.from(status.certificate, 'base64').toString('utf8'), keyPem };
    await clock.sleep(pollMs, signal);
  }
  throw new CertificateRefused(
    `Nobody approved the certificate request ${name} within ${timeoutMs / 1000} s; on the control machine: kubectl certificate approve ${name}`,
  );
}
