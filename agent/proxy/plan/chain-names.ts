/**
 * Names of the chains, as people know them from kube-proxy: a kind and 16 characters of a hash, 28 at most in all.
 * Source: kube-proxy's iptables back end; the hash is base32 of SHA-256 of name, protocol and endpoint.
 */
import { createHash } from 'node:crypto';
import { hostPort } from '../../../machinery/meta/host-port.ts';
import type { EndpointModel, ServicePortModel } from './model.ts';

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** Chains of one service port. */
export interface ServiceChains {
  /** All endpoints (policy Cluster). */
  readonly cluster: string;
  /** Endpoints on this node (policy Local). */
  readonly local: string;
  /** What comes from outside. */
  readonly external: string;
  /** Source ranges of a load balancer. */
  readonly firewall: string;
}

export function serviceChains(port: Pick<ServicePortModel, 'name' | 'protocol'>): ServiceChains {
  const hash = chainHash(`${port.name}${port.protocol.toLowerCase()}`);
  return {
    cluster: `KUBE-SVC-${hash}`,
    local: `KUBE-SVL-${hash}`,
    external: `KUBE-EXT-${hash}`,
    firewall: `KUBE-FW-${hash}`,
  };
}

export function endpointChain(port: Pick<ServicePortModel, 'name' | 'protocol'>, endpoint: EndpointModel): string {
  return `KUBE-SEP-${chainHash(`${port.name}${port.protocol.toLowerCase()}${hostPort(endpoint.ip, endpoint.port)}`)}`;
}

/** Chains that belong to single services. */
export function isServiceChain(chain: string): boolean {
  return /^KUBE-(SVC|SVL|EXT|FW|SEP)-[A-Z2-7]{16}$/.test(chain);
}

/** 16 characters. */
export function chainHash(text: string): string {
  const digest = createHash('sha256').update(text).digest();
  let name = '';
  // 16 characters of 5 bits are the first 10 bytes.
  for (let bit = 0; bit < 80; bit += 5) {
    const pair = ((digest[bit >> 3] ?? 0) << 8) | (digest[(bit >> 3) + 1] ?? 0);
    name += BASE32.charAt((pair >> (11 - (bit & 7))) & 31);
  }
  return name;
}
