/**
 * Asks the cluster to sign a certificate: a CertificateSigningRequest is made and its signed certificate awaited.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../machinery/client/client.ts';
import { certificateSigningRequests } from '../../machinery/client/resource.ts';
import type { KeyPair } from '../../machinery/pki/certificate.ts';
import { generateKeyPem } from '../../machinery/pki/certificate.ts';
import { createSigningRequest } from '../../machinery/pki/signing-request.ts';
import type { AltNames } from '../../machinery/pki/certificate.ts';
import { CliError } from '../exit-codes.ts';

export interface CertificateWish {
  nodeName: string;
  signerName: 'kubernetes.io/kube-apiserver-client-kubelet' | 'kubernetes.io/kubelet-serving';
  usages: readonly string[];
  altNames?: AltNames | undefined;
}

const TIMEOUT_MS = 60_000;
const POLL_MS = 100;

/** @throws CliError when it is denied, fails or takes too long, naming the request and what to do */
export async function requestCertificate(client: Client, wish: CertificateWish): Promise<KeyPair> {
  const keyPem = generateKeyPem();
  const subject = { commonName: `system:node:${wish.nodeName}`, organizations: ['system:nodes'] };
  const request = Buffer.from(createSigningRequest(keyPem, subject, wish.altNames)).toString('base64');
  const csrs = client.of(certificateSigningRequests);
  const made = await csrs.create({
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { generateName: 'node-csr-' },
    spec: { request, signerName: wish.signerName, usages: [...wish.usages] },
  });
  const name = made.metadata.name ?? '';
  for (const endMs = Date.now() + TIMEOUT_MS; Date.now() < endMs; await sleep(POLL_MS)) {
    const { status } = await csrs.get({ name });
    const verdict = status?.conditions?.find(c => c.type === 'Denied' || c.type === 'Failed');
    if (verdict !== undefined)
      throw new CliError(
        `The cluster refused the certificate for node ${wish.nodeName} (${name}): ${verdict.message ?? verdict.reason ?? verdict.type}`,
      );
    if (status?.certificate !== undefined)
      return { certPem: Buffer.from(status.certificate, 'base64').toString('utf8'), keyPem };
  }
  throw new CliError(
    `Nobody approved the certificate request ${name} within ${TIMEOUT_MS / 1000} s; on the control machine: kubectl certificate approve ${name}`,
  );
}
