/**
 * The files by which a joined machine is a node: the CA, its client and serving certificates, and a kubeconfig that names them.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from '../../machinery/client/client.ts';
import { fixedCredentials } from '../../machinery/client/credentials.ts';
import { HttpTransport } from '../../machinery/client/http-transport.ts';
import { loadKubeconfig, writeKubeconfig } from '../../machinery/client/kubeconfig.ts';
import {
  CertificateRefused,
  requestCertificate,
  type CertificateWish,
} from '../../machinery/client/request-certificate.ts';
import { RestClient } from '../../machinery/client/rest-client.ts';
import { formatBootstrapToken } from '../../machinery/pki/bootstrap-token.ts';
import type { AltNames, KeyPair } from '../../machinery/pki/certificate.ts';
import { needsRenewal, writeKeyPair } from '../../machinery/pki/key-pair-files.ts';
import { systemClock } from '../../machinery/process/clock.ts';
import { writeFileAtomic } from '../../machinery/process/write-file-atomic.ts';
import { CliError, exitCodes } from '../exit-codes.ts';
import type { Paths } from '../paths.ts';
import { fetchAuthority } from './fetch-authority.ts';
import type { JoinToken } from './join-token.ts';

/** For a first certificate: whoever joins looks on. */
const JOIN_TIMEOUT_MS = 60_000;
/** For the next one: the old one is still good. */
const RENEWAL_TIMEOUT_MS = 15 * 60_000;

export interface NodeIdentity {
  server: string;
  caPem: string;
  client: KeyPair;
  serving: KeyPair;
}

/** What the node itself is called and reached by. */
export interface NodeNames {
  nodeName: string;
  nodeIps: readonly string[];
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
  const client = await sign(bootstrap, clientWish(names.nodeName), JOIN_TIMEOUT_MS);
  const me = clientOf(server, { ca: caPem, cert: client.certPem, key: client.keyPem });
  const serving = await sign(me, servingWish(names.nodeName, altNamesOf(names)), JOIN_TIMEOUT_MS);
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
  const { nodeName } = names;
  if (needsRenewal(identity.client.certPem, nowMs))
    fresh.client = await sign(identityClient(fresh), clientWish(nodeName), JOIN_TIMEOUT_MS);
  if (needsRenewal(identity.serving.certPem, nowMs))
    fresh.serving = await sign(identityClient(fresh), servingWish(nodeName, altNamesOf(names)), JOIN_TIMEOUT_MS);
  if (fresh.client !== identity.client || fresh.serving !== identity.serving) await write(fresh, paths);
  return fresh;
}

/** Gets the next client certificate, and keeps it. */
export async function renewClient(
  identity: NodeIdentity,
  nodeName: string,
  paths: Paths,
  signal: AbortSignal,
): Promise<void> {
  identity.client = await sign(identityClient(identity), clientWish(nodeName), RENEWAL_TIMEOUT_MS, signal);
  await write(identity, paths);
}

/** Gets the next serving certificate, and keeps it. */
export async function renewServing(
  identity: NodeIdentity,
  nodeName: string,
  altNames: AltNames,
  paths: Paths,
  signal: AbortSignal,
): Promise<void> {
  identity.serving = await sign(identityClient(identity), servingWish(nodeName, altNames), RENEWAL_TIMEOUT_MS, signal);
  await write(identity, paths);
}

function identityClient({ server, caPem, client }: NodeIdentity): Client {
  return clientOf(server, { ca: caPem, cert: client.certPem, key: client.keyPem });
}

function altNamesOf({ nodeName, nodeIps }: NodeNames): AltNames {
  return { dnsNames: [nodeName], ipAddresses: [...nodeIps] };
}

function clientWish(nodeName: string): CertificateWish {
  return { nodeName, signerName: 'kubernetes.io/kube-apiserver-client-kubelet' };
}

function servingWish(nodeName: string, altNames: AltNames): CertificateWish {
  return { nodeName, signerName: 'kubernetes.io/kubelet-serving', altNames };
}

/** @throws CliError in words for whoever joins */
async function sign(client: Client, wish: CertificateWish, timeoutMs: number, signal?: AbortSignal): Promise<KeyPair> {
  try {
    return await requestCertificate(client, wish, { timeoutMs, clock: systemClock, signal });
  } catch (error) {
    if (!(error instanceof CertificateRefused)) throw error;
    throw new CliError(error.message, exitCodes.failed, { cause: error });
  }
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
