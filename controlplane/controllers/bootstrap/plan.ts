/**
 * The signatures of cluster-info: a detached JWS (HS256) of its kubeconfig for each token. Pure.
 * Source: upstream `staging/src/k8s.io/cluster-bootstrap/token/jws`.
 */
import { createHmac } from 'node:crypto';

const PREFIX = 'jws-kubeconfig-';

export interface SigningToken {
  id: string;
  secret: string;
  expiresAtMs: number | undefined;
  usableForSigning: boolean;
}

/** The ConfigMap's data with a signature for each token that may sign, and none for others. */
export function signClusterInfo(
  data: Readonly<Record<string, string>>,
  tokens: readonly SigningToken[],
  nowMs: number,
): Record<string, string> {
  const kubeconfig = data['kubeconfig'];
  const next = Object.fromEntries(Object.entries(data).filter(([name]) => !name.startsWith(PREFIX)));
  if (kubeconfig === undefined) return next;
  for (const token of tokens) {
    const alive = token.expiresAtMs === undefined || token.expiresAtMs > nowMs;
    if (token.usableForSigning && alive)
      next[`${PREFIX}${token.id}`] = detachedSignature(kubeconfig, token.id, token.secret);
  }
  return next;
}

/** `header..signature`: whoever checks it puts the content in between. */
export function detachedSignature(content: string, tokenId: string, tokenSecret: string): string {
  const header = Buffer.from(JSON.stringify({ alg: 'HS256', kid: tokenId })).toString('base64url');
  const body = Buffer.from(content, 'utf8').toString('base64url');
  const signature = createHmac('sha256', tokenSecret).update(`${header}.${body}`).digest('base64url');
  return `${header}..${signature}`;
}
