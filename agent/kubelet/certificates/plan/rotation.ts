/**
 * When a certificate is replaced, and by what names it is asked for. Pure.
 * Source: client-go `util/certificate/certificate_manager.go`, kubernetes `pkg/kubelet/certificate/kubelet.go`, 1.36.
 */
import { X509Certificate } from 'node:crypto';
import type { Node } from '../../../../proto/api/core-v1.ts';

export interface CertificateNames {
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
}

const NO_LATER_THAN = 0.9;
const NO_SOONER_THAN = 0.7;

/**
 * Within the last third of its life, so that many nodes that came at once do not ask at once.
 * @param random in [0, 1)
 */
export function rotationTimeMs(certPem: string, random: number): number {
  const { fromMs, toMs } = lifeOf(certPem);
  return fromMs + (toMs - fromMs) * (NO_SOONER_THAN + (NO_LATER_THAN - NO_SOONER_THAN) * random);
}

export function lifeOf(certPem: string): { fromMs: number; toMs: number } {
  const { validFrom, validTo } = new X509Certificate(certPem);
  return { fromMs: Date.parse(validFrom), toMs: Date.parse(validTo) };
}

/** Whether a server that is called by any of these names may show the certificate. */
export function hasNames(certPem: string, { dnsNames, ipAddresses }: CertificateNames): boolean {
  const certificate = new X509Certificate(certPem);
  return (
    dnsNames.every(name => certificate.checkHost(name, { subject: 'never' }) !== undefined) &&
    ipAddresses.every(address => certificate.checkIP(address) !== undefined)
  );
}

/** By what a node says that it is reached. */
export function namesOfNode(node: Pick<Node, 'status'>): CertificateNames {
  const addresses = node.status?.addresses ?? [];
  const of = (...types: string[]): string[] => [
    ...new Set(addresses.filter(({ type }) => types.includes(type)).map(({ address }) => address)),
  ];
  return { dnsNames: of('Hostname', 'InternalDNS', 'ExternalDNS'), ipAddresses: of('InternalIP', 'ExternalIP') };
}
