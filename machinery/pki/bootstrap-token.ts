/**
 * Bootstrap tokens, `abcdef.0123456789abcdef`: a public id and a secret, kept as Secrets of type bootstrap.kubernetes.io/token in kube-system.
 * Source: kubernetes.io/docs, "Authenticating with Bootstrap Tokens".
 */
import { randomInt, timingSafeEqual } from 'node:crypto';
import type { Secret } from '../../proto/api/core-v1.ts';

export interface BootstrapToken {
  id: string;
  secret: string;
}

/** What a bootstrap token's Secret says. */
export interface BootstrapTokenGrant extends BootstrapToken {
  /** Extra groups, besides `system:bootstrappers`. */
  groups: string[];
  /** Milliseconds since the epoch; undefined: never. */
  expiresAtMs: number | undefined;
  usableForAuthentication: boolean;
  usableForSigning: boolean;
}

export const BOOTSTRAP_TOKEN_SECRET_TYPE = 'bootstrap.kubernetes.io/token';
export const BOOTSTRAP_TOKEN_NAMESPACE = 'kube-system';
const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyz';
const DEFAULT_GROUP = 'system:bootstrappers:k8ts:default-node-token';
const GROUP = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;

export function generateBootstrapToken(): BootstrapToken {
  const random = (length: number): string => Array.from({ length }, () => ALPHABET[randomInt(36)]).join('');
  return { id: random(6), secret: random(16) };
}

/** @returns undefined if `text` is no bootstrap token */
export function parseBootstrapToken(text: string): BootstrapToken | undefined {
  const match = /^([a-z0-9]{6})\.([a-z0-9]{16})$/.exec(text);
  return match === null ? undefined : { id: match[1] ?? '', secret: match[2] ?? '' };
}

export function formatBootstrapToken(token: BootstrapToken): string {
  return `${token.id}.${token.secret}`;
}

/** The name of the Secret in kube-system that holds the token of that id. */
export function bootstrapTokenSecretName(id: string): string {
  return `bootstrap-token-${id}`;
}

/** The Secret that makes `token` usable for joining and for signing cluster-info. */
export function bootstrapTokenSecret(
  token: BootstrapToken,
  options: { description?: string; expiresAtMs?: number; groups?: readonly string[] } = {},
): Secret {
  const { description, expiresAtMs, groups = [DEFAULT_GROUP] } = options;
  const text: Record<string, string> = {
    'token-id': token.id,
    'token-secret': token.secret,
    'usage-bootstrap-authentication': 'true',
    'usage-bootstrap-signing': 'true',
    'auth-extra-groups': groups.join(','),
  };
  if (description !== undefined) text['description'] = description;
  if (expiresAtMs !== undefined) text['expiration'] = `${new Date(expiresAtMs).toISOString().slice(0, 19)}Z`;
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    type: BOOTSTRAP_TOKEN_SECRET_TYPE,
    metadata: { name: bootstrapTokenSecretName(token.id), namespace: BOOTSTRAP_TOKEN_NAMESPACE },
    data: Object.fromEntries(Object.entries(text).map(([k, v]) => [k, Buffer.from(v).toString('base64')])),
  };
}

/** @returns undefined if the Secret is no well-formed bootstrap token */
export function readBootstrapTokenSecret(secret: Secret): BootstrapTokenGrant | undefined {
  const field = (name: string): string => Buffer.from(secret.data?.[name] ?? '', 'base64').toString('utf8');
  const id = field('token-id');
  if (secret.type !== BOOTSTRAP_TOKEN_SECRET_TYPE || secret.metadata.name !== bootstrapTokenSecretName(id))
    return undefined;
  const token = parseBootstrapToken(`${id}.${field('token-secret')}`);
  if (token === undefined) return undefined;
  const groups = field('auth-extra-groups')
    .split(',')
    .filter(group => group !== '');
  const expiration = field('expiration');
  const expiresAtMs = expiration === '' ? undefined : Date.parse(expiration);
  // A date that nobody can read must not make a token that lives for ever.
  if (Number.isNaN(expiresAtMs) || !groups.every(group => GROUP.test(group))) return undefined;
  return {
    ...token,
    groups,
    expiresAtMs,
    usableForAuthentication: field('usage-bootstrap-authentication') === 'true',
    usableForSigning: field('usage-bootstrap-signing') === 'true',
  };
}

/** Whether the Secret grants `token` authentication at `nowMs`; compares in constant time. */
export function grantsAuthentication(grant: BootstrapTokenGrant, token: BootstrapToken, nowMs: number): boolean {
  const same = timingSafeEqual(Buffer.from(grant.secret), Buffer.from(token.secret));
  const alive = grant.expiresAtMs === undefined || nowMs < grant.expiresAtMs;
  return same && alive && grant.usableForAuthentication && grant.id === token.id;
}
