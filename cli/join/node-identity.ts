/**
 * The files by which a joined machine is a node: the CA, its client and serving certificates, and a kubeconfig that names them.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from '../../machinery/client/client.ts';
import { fixedCredentials } from '../../machinery/client/credentials.ts';
import { HttpTransport } from '../../machinery/client/http-transport.ts';
import { loadKubeconfig, writeKubeconfig } from '../../machinery/client/kubeconfig.ts';
import { RestClient } from '../../machinery/client/rest-client.ts';
import { formatBootstrapToken } from '../../machinery/pki/bootstrap-token.ts';
import type { KeyPair } from '../../machinery/pki/certificate.ts';
import { needsRenewal, writeKeyPair } from '../../machinery/pki/key-pair-files.ts';
import { writeFileAtomic } from '../../machinery/process/write-file-atomic.ts';
import type { Paths } from '../paths.ts';
import { fetchAuthority } from './fetch-authority.ts';
import type { JoinToken } from './join-token.ts';
import { requestCertificate } from './request-certificate.ts';

const USAGES = { client: ['digital signature', 'client auth'], serving: ['digital signature', 'server auth'] } as const;

export interface NodeIdentity {
  server: string;
  caPem: string;
  client: KeyPair;
  serving: KeyPair;
}

/** What the node itself is called and reached by. */
export interface NodeNames {
  nodeName: string;
  nodeIp: string;
}

function files(paths: Paths) {
  const at = (name: string) => ({
    certPath: join(paths.agentPki, `${name}.crt`),
    keyPath: join(paths.agentPki, `${name}.key`),
  });
  return { ca: join(paths.agentPki, 'ca.crt'), client: at('node-client'), serving: at('kubelet-serving') };
}

/** Trades the token for certificates and writes everything. */
export async function joinCluster(
  server: string,
  token: JoinToken,
  names: NodeNames,
  paths: Paths,
): Promise<NodeIdentity> {
  const caPem = await fetchAuthority(server, token.caHash);
  const bearer = formatBootstrapToken(token.bootstrap);
  const bootstrap = clientOf(server, { ca: caPem }, bearer);
  const client = await requestCertificate(bootstrap, {
    nodeName: names.nodeName,
    signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
    usages: USAGES.client,
  });
  const serving = await requestServing(
    clientOf(server, { ca: caPem, cert: client.certPem, key: client.keyPem }),
    names,
  );
  const identity = { server, caPem, client, serving };
  await write(identity, paths);
  return identity;
}

/** @returns undefined if this machine never joined */
export async function loadIdentity(paths: Paths): Promise<NodeIdentity | undefined> {
  const f = files(paths);
  if (!existsSync(paths.agentKubeconfig) || !existsSync(f.serving.certPath)) return undefined;
  const { server } = await loadKubeconfig(paths.agentKubeconfig);
  const pair = (at: { certPath: string; keyPath: string }): KeyPair => ({
    certPem: readFileSync(at.certPath, 'utf8'),
    keyPem: readFileSync(at.keyPath, 'utf8'),
  });
  return { server, caPem: readFileSync(f.ca, 'utf8'), client: pair(f.client), serving: pair(f.serving) };
}

/** Gets new certificates for those of which a third of their life or less is left, proving itself by the old ones. */
export async function renewIdentity(
  identity: NodeIdentity,
  names: NodeNames,
  nowMs: number,
  paths: Paths,
): Promise<NodeIdentity> {
  const fresh = { ...identity };
  const me = (): Client =>
    clientOf(fresh.server, { ca: fresh.caPem, cert: fresh.client.certPem, key: fresh.client.keyPem });
  if (needsRenewal(identity.client.certPem, nowMs)) {
    fresh.client = await requestCertificate(me(), {
      nodeName: names.nodeName,
      signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
      usages: USAGES.client,
    });
  }
  if (needsRenewal(identity.serving.certPem, nowMs)) fresh.serving = await requestServing(me(), names);
  if (fresh.client !== identity.client || fresh.serving !== identity.serving) await write(fresh, paths);
  return fresh;
}

function requestServing(client: Client, { nodeName, nodeIp }: NodeNames): Promise<KeyPair> {
  const altNames = { dnsNames: [nodeName], ipAddresses: [nodeIp] };
  return requestCertificate(client, {
    nodeName,
    signerName: 'kubernetes.io/kubelet-serving',
    usages: USAGES.serving,
    altNames,
  });
}

async function write(identity: NodeIdentity, paths: Paths): Promise<void> {
  const f = files(paths);
  await writeFileAtomic(f.ca, identity.caPem, 0o644);
  await writeKeyPair(f.client, identity.client);
  await writeKeyPair(f.serving, identity.serving);
  const { server, caPem, client } = identity;
  await writeKubeconfig(paths.agentKubeconfig, {
    name: 'k8ts-node',
    server,
    tls: { ca: caPem, cert: client.certPem, key: client.keyPem },
  });
}

function clientOf(server: string, tls: { ca: string; cert?: string; key?: string }, token?: string): Client {
  return new RestClient(
    new HttpTransport({ servers: [server], credentials: fixedCredentials(tls, token), userAgent: 'k8ts join' }),
  );
}
