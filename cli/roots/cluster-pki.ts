/**
 * Certificates and keys of a control plane: loaded, made or renewed at start. One authority signs servers, clients and nodes.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createPublicKey } from 'node:crypto';
import { loadOrCreateAuthority, loadOrCreateKey, loadOrIssue } from '../../machinery/pki/key-pair-files.ts';
import type { KeyPair } from '../../machinery/pki/certificate.ts';
import type { Paths } from '../paths.ts';

export interface ClusterPki {
  authority: KeyPair;
  /** The API server's own certificate. */
  apiServer: KeyPair;
  /** By which the API server is known to kubelets. */
  kubeletClient: KeyPair;
  /** `system:masters`: the administrator's kubeconfig holds it. */
  admin: KeyPair;
  /** Signs service-account tokens. */
  serviceAccountKeyPem: string;
  serviceAccountPublicKeyPem: string;
}

export interface PkiNames {
  dnsNames: readonly string[];
  ipAddresses: readonly string[];
}

export async function loadClusterPki(paths: Paths, names: PkiNames, nowMs: number): Promise<ClusterPki> {
  mkdirSync(paths.serverPki, { recursive: true, mode: 0o700 });
  const at = (name: string) => ({
    certPath: join(paths.serverPki, `${name}.crt`),
    keyPath: join(paths.serverPki, `${name}.key`),
  });
  const authority = await loadOrCreateAuthority({ ...at('ca'), commonName: 'k8ts-ca', nowMs });
  const client = (name: string, commonName: string, organizations: readonly string[]) =>
    loadOrIssue({
      ...at(name),
      authority,
      nowMs,
      request: { subject: { commonName, organizations: [...organizations] }, usages: ['client'] },
    });
  const [apiServer, kubeletClient, admin, { keyPem }] = await Promise.all([
    loadOrIssue({
      ...at('apiserver'),
      authority,
      nowMs,
      request: {
        subject: { commonName: 'kube-apiserver' },
        usages: ['server'],
        dnsNames: [...names.dnsNames],
        ipAddresses: [...names.ipAddresses],
      },
    }),
    client('apiserver-kubelet-client', 'kube-apiserver-kubelet-client', ['system:masters']),
    client('admin', 'kubernetes-admin', ['system:masters']),
    loadOrCreateKey(join(paths.serverPki, 'sa.key')),
  ]);
  const serviceAccountPublicKeyPem = createPublicKey(keyPem).export({ type: 'spki', format: 'pem' }).toString();
  return { authority, apiServer, kubeletClient, admin, serviceAccountKeyPem: keyPem, serviceAccountPublicKeyPem };
}

/**
 * The kubelet's serving certificate on the control machine itself, as it lies there or a new one; joined nodes get theirs by a signing
 * request.
 */
export function issueKubeletServing(
  paths: Paths,
  authority: KeyPair,
  nodeName: string,
  names: { readonly dnsNames: readonly string[]; readonly ipAddresses: readonly string[] },
  nowMs: number,
): Promise<KeyPair> {
  mkdirSync(paths.agentPki, { recursive: true, mode: 0o700 });
  return loadOrIssue({
    certPath: join(paths.agentPki, 'kubelet-serving.crt'),
    keyPath: join(paths.agentPki, 'kubelet-serving.key'),
    authority,
    nowMs,
    request: {
      subject: { commonName: `system:node:${nodeName}`, organizations: ['system:nodes'] },
      usages: ['server'],
      dnsNames: [...names.dnsNames],
      ipAddresses: [...names.ipAddresses],
    },
  });
}
