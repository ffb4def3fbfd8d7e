/**
 * Signed JSON web tokens in compact form, RS256 and ES256, over node:crypto alone. Source: RFC 7515, RFC 7518, RFC 7638 is not used: Kubernetes'
 * key ids are the hash of the public key.
 */
import { createHash, createPublicKey, sign, verify, type KeyObject } from 'node:crypto';

export type JwtAlgorithm = 'RS256' | 'ES256';

/** A public key as a JWKS lists it. */
export interface PublicJwk {
  use: 'sig';
  kid: string;
  alg: JwtAlgorithm;
  kty?: string | undefined;
  [member: string]: string | undefined;
}

/** Base64url of the SHA-256 of the public key, as upstream's `kid`. */
export function keyIdOf(key: KeyObject): string {
  const spki = publicOf(key).export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(spki).digest('base64url');
}

/** @throws Error for keys that are neither RSA nor P-256 */
export function algorithmOf(key: KeyObject): JwtAlgorithm {
  if (key.asymmetricKeyType === 'rsa') return 'RS256';
  if (key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return 'ES256';
  throw new Error('Tokens can be signed with RSA and ECDSA P-256 keys only');
}

export function toJwk(key: KeyObject): PublicJwk {
  const jwk = publicOf(key).export({ format: 'jwk' }) as Record<string, string | undefined>;
  return { ...jwk, use: 'sig', kid: keyIdOf(key), alg: algorithmOf(key) };
}

export function signJwt(claims: object, key: KeyObject, keyId: string): string {
  const header = encode({ alg: algorithmOf(key), kid: keyId });
  const body = `${header}.${encode(claims)}`;
  const signature = sign('sha256', Buffer.from(body), { key, dsaEncoding: 'ieee-p1363' });
  return `${body}.${signature.toString('base64url')}`;
}

/** The header and claims of a token whose signature nobody has checked; undefined if it is no token. */
export function decodeJwt(
  token: string,
): { header: Record<string, unknown>; claims: Record<string, unknown> } | undefined {
  const parts = token.split('.');
  if (parts.length !== 3) return undefined;
  const [header, claims] = [decode(parts[0]), decode(parts[1])];
  return header === undefined || claims === undefined ? undefined : { header, claims };
}

/** Whether `key` signed `token` with the algorithm that belongs to the key; the token has no say in it. */
export function verifyJwt(token: string, key: KeyObject, algorithm: unknown): boolean {
  if (algorithm !== algorithmOf(key)) return false;
  const dot = token.lastIndexOf('.');
  const signature = Buffer.from(token.slice(dot + 1), 'base64url');
  return verify('sha256', Buffer.from(token.slice(0, dot)), { key, dsaEncoding: 'ieee-p1363' }, signature);
}

function publicOf(key: KeyObject): KeyObject {
  return key.type === 'private' ? createPublicKey(key) : key;
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function decode(part: string | undefined): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part ?? '', 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
