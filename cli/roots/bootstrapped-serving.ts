/**
 * The kubelet's serving certificate on the control machine when its configuration says `serverTLSBootstrap`: asked for as joined nodes do, and
 * approved by whoever approves theirs. Until then the one that this machine made itself is shown.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CertificateSource } from '../../agent/kubelet/certificates/rotating-certificate.ts';
import type { Client } from '../../machinery/client/client.ts';
import { requestCertificate } from '../../machinery/client/request-certificate.ts';
import type { KeyPair } from '../../machinery/pki/certificate.ts';
import { needsRenewal, writeKeyPair } from '../../machinery/pki/key-pair-files.ts';
import { systemClock } from '../../machinery/process/clock.ts';
import type { Paths } from '../paths.ts';

const TIMEOUT_MS = 15 * 60_000;

/** @param makeshift shown until another was signed */
export function bootstrappedServing(
  paths: Paths,
  client: Client,
  nodeName: string,
  makeshift: KeyPair,
): CertificateSource {
  const files = {
    certPath: join(paths.agentPki, 'kubelet-serving-approved.crt'),
    keyPath: join(paths.agentPki, 'kubelet-serving-approved.key'),
  };
  const known = load(files);
  return {
    pair: known ?? makeshift,
    isMakeshift: known === undefined,
    renew: async (altNames, signal) => {
      const wish = { nodeName, signerName: 'kubernetes.io/kubelet-serving', altNames } as const;
      const pair = await requestCertificate(client, wish, { timeoutMs: TIMEOUT_MS, clock: systemClock, signal });
      await writeKeyPair(files, pair);
      return pair;
    },
  };
}

function load({ certPath, keyPath }: { certPath: string; keyPath: string }): KeyPair | undefined {
  if (!existsSync(certPath) || !existsSync(keyPath)) return undefined;
  const pair = { certPem: readFileSync(certPath, 'utf8'), keyPem: readFileSync(keyPath, 'utf8') };
  return needsRenewal(pair.certPem, systemClock.now()) ? undefined : pair;
}
