/**
 * Issues and verifies service-account tokens: bound ones (TokenRequest) and legacy ones (from Secrets).
 *
 * Verification is cryptographic only: whether the account, pod, node or Secret that a token is bound to still exists is asked by the API
 * server's authenticator, each time. The outcome of a signature check is remembered (RS256 costs 0.2 ms), expiry is checked each time.
 * Source: the claims of upstream `pkg/serviceaccount/claims.go` and `legacy.go`, 1.36.
 */
import { createHash, createPrivateKey, createPublicKey, randomUUID, type KeyObject } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../process/clock.ts';
import { decodeJwt, keyIdOf, signJwt, toJwk, verifyJwt, type PublicJwk } from './jwt.ts';

export interface NameAndUid {
  name: string;
  uid: string;
}

/** What a bound token is made of. */
export interface TokenRequestInput {
  namespace: string;
  serviceAccount: NameAndUid;
  audiences: readonly string[];
  expirationSeconds: number;
  /** At most one of pod, secret and node binds the token; `node` besides `pod` only informs. */
  pod?: NameAndUid | undefined;
  node?: { name: string; uid?: string | undefined } | undefined;
  secret?: NameAndUid | undefined;
  /** After so many seconds users are warned that the client does not renew its token. */
  warnAfterSeconds?: number | undefined;
}

/** What a good token says. */
export interface VerifiedToken {
  namespace: string;
  serviceAccount: NameAndUid;
  pod?: NameAndUid | undefined;
  node?: { name: string; uid?: string | undefined } | undefined;
  /** For legacy tokens: the Secret that must still hold this token. */
  secret?: { name: string; uid?: string | undefined } | undefined;
  audiences: string[];
  /** Legacy tokens have neither. */
  expiresAtMs?: number | undefined;
  warnAfterMs?: number | undefined;
  issuedAtMs?: number | undefined;
  /** `jti`: names the credential in audit logs. */
  id?: string | undefined;
  legacy: boolean;
}

/** Why a token is not good. */
export class TokenError extends Error {
  override readonly name = 'TokenError';
}

export interface ServiceAccountTokensOptions {
  /** `iss`: `https://kubernetes.default.svc`. */
  issuer: string;
  /** The first signs; PEM private keys. */
  signingKeyPem: string;
  /** Further keys, private or public, whose tokens are good. */
  verificationKeyPems?: readonly string[] | undefined;
  clock: Clock;
}

const LEGACY_ISSUER = 'kubernetes/serviceaccount';

export class ServiceAccountTokens {
  readonly issuer: string;
  private readonly clock: Clock;
  private readonly signingKey: KeyObject;
  private readonly keyId: string;
  private readonly keys = new Map<string, KeyObject>();
  private readonly verified = new LRUCache<string, VerifiedToken & { notBeforeMs: number }>({ max: 2048 });

  constructor(options: ServiceAccountTokensOptions) {
    this.issuer = options.issuer;
    this.clock = options.clock;
    this.signingKey = createPrivateKey(options.signingKeyPem);
    this.keyId = keyIdOf(this.signingKey);
    for (const pem of [options.signingKeyPem, ...(options.verificationKeyPems ?? [])]) {
      const key = createPublicKey(pem);
      this.keys.set(keyIdOf(key), key);
    }
  }

  /** A bound token. */
  issue(input: TokenRequestInput): { token: string; expiresAtMs: number } {
    const nowSeconds = Math.floor(this.clock.now() / 1000);
    const exp = nowSeconds + input.expirationSeconds;
    const { pod, node, secret, warnAfterSeconds } = input;
    const kubernetes = {
      namespace: input.namespace,
      ...(node === undefined ? {} : { node }),
      ...(pod === undefined ? {} : { pod }),
      ...(secret === undefined ? {} : { secret }),
      serviceaccount: input.serviceAccount,
      ...(warnAfterSeconds === undefined ? {} : { warnafter: nowSeconds + warnAfterSeconds }),
    };
    const claims = {
      aud: input.audiences,
      exp,
      iat: nowSeconds,
      iss: this.issuer,
      jti: randomUUID(),
      'kubernetes.io': kubernetes,
      nbf: nowSeconds,
      sub: `system:serviceaccount:${input.namespace}:${input.serviceAccount.name}`,
    };
    return { token: signJwt(claims, this.signingKey, this.keyId), expiresAtMs: exp * 1000 };
  }

  /** A token for a Secret of type kubernetes.io/service-account-token; it does not expire. */
  issueLegacy(namespace: string, serviceAccount: NameAndUid, secretName: string): string {
    const claims = {
      iss: LEGACY_ISSUER,
      'kubernetes.io/serviceaccount/namespace': namespace,
      'kubernetes.io/serviceaccount/secret.name': secretName,
      'kubernetes.io/serviceaccount/service-account.name': serviceAccount.name,
      'kubernetes.io/serviceaccount/service-account.uid': serviceAccount.uid,
      sub: `system:serviceaccount:${namespace}:${serviceAccount.name}`,
    };
    return signJwt(claims, this.signingKey, this.keyId);
  }

  /**
   * What the token says.
   * @param audiences the token must be meant for one of them; legacy tokens are meant for all
   * @returns undefined if it is not one of ours (another authenticator may know it)
   * @throws TokenError if it is ours and not good
   */
  verify(token: string, audiences: readonly string[]): VerifiedToken | undefined {
    // The hash, so that the cache holds no credentials.
    const cacheKey = createHash('sha256').update(token).digest('base64');
    let known = this.verified.get(cacheKey);
    if (known === undefined) {
      known = this.check(token);
      if (known === undefined) return undefined;
      this.verified.set(cacheKey, known);
    }
    const nowMs = this.clock.now();
    if (known.expiresAtMs !== undefined && nowMs >= known.expiresAtMs)
      throw new TokenError('service account token has expired');
    if (nowMs < known.notBeforeMs) throw new TokenError('service account token is not valid yet');
    const { notBeforeMs: _, ...result } = known;
    if (known.legacy) return { ...result, audiences: [...audiences] };
    const meant = known.audiences.filter(audience => audiences.includes(audience));
    if (meant.length === 0) throw new TokenError('token audiences are invalid for this server');
    return { ...result, audiences: meant };
  }

  /** The keys for `/openid/v1/jwks`. */
  jwks(): { keys: PublicJwk[] } {
    return { keys: [...this.keys.values()].map(toJwk) };
  }

  /** For `/.well-known/openid-configuration`. */
  discoveryDocument(jwksUri: string): object {
    const algorithms = [...new Set(this.jwks().keys.map(key => key.alg))].sort();
    return {
      issuer: this.issuer,
      jwks_uri: jwksUri,
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: algorithms,
    };
  }

  private check(token: string): (VerifiedToken & { notBeforeMs: number }) | undefined {
    const decoded = decodeJwt(token);
    if (decoded === undefined) return undefined;
    const { header, claims } = decoded;
    if (claims['iss'] !== this.issuer && claims['iss'] !== LEGACY_ISSUER) return undefined;
    const named = typeof header['kid'] === 'string' ? this.keys.get(header['kid']) : undefined;
    const candidates = named === undefined ? [...this.keys.values()] : [named];
    if (!candidates.some(key => verifyJwt(token, key, header['alg'])))
      throw new TokenError('token signature is invalid');
    const read = claims['iss'] === LEGACY_ISSUER ? readLegacy(claims) : readBound(claims);
    const subject =
      read === undefined ? undefined : `system:serviceaccount:${read.namespace}:${read.serviceAccount.name}`;
    if (read === undefined || claims['sub'] !== subject) throw new TokenError('token claims are incomplete');
    return read;
  }
}

/** The claims are signed by us; they are read with care all the same, because keys may be shared with other issuers. */
function readBound(claims: Record<string, unknown>): (VerifiedToken & { notBeforeMs: number }) | undefined {
  const kubernetes = claims['kubernetes.io'] as Record<string, unknown> | undefined;
  const { exp, iat, nbf, aud } = claims;
  const namespace = kubernetes?.['namespace'];
  const serviceAccount = nameAndUid(kubernetes?.['serviceaccount']);
  const audiences = typeof aud === 'string' ? [aud] : aud;
  if (typeof exp !== 'number' || typeof namespace !== 'string' || !Array.isArray(audiences)) return undefined;
  if (serviceAccount?.uid === undefined) return undefined;
  const warnAfter = kubernetes?.['warnafter'];
  return {
    namespace,
    serviceAccount: { name: serviceAccount.name, uid: serviceAccount.uid },
    pod: nameAndUid(kubernetes?.['pod']) as NameAndUid | undefined,
    node: nameAndUid(kubernetes?.['node']),
    secret: nameAndUid(kubernetes?.['secret']),
    audiences: audiences.filter(a => typeof a === 'string'),
    expiresAtMs: exp * 1000,
    warnAfterMs: typeof warnAfter === 'number' ? warnAfter * 1000 : undefined,
    issuedAtMs: typeof iat === 'number' ? iat * 1000 : undefined,
    notBeforeMs: typeof nbf === 'number' ? nbf * 1000 : 0,
    id: typeof claims['jti'] === 'string' ? claims['jti'] : undefined,
    legacy: false,
  };
}

function readLegacy(claims: Record<string, unknown>): (VerifiedToken & { notBeforeMs: number }) | undefined {
  const field = (name: string): unknown => claims[`kubernetes.io/serviceaccount/${name}`];
  const [namespace, name, uid] = [field('namespace'), field('service-account.name'), field('service-account.uid')];
  const secret = field('secret.name');
  if (
    typeof namespace !== 'string' ||
    typeof name !== 'string' ||
    typeof uid !== 'string' ||
    typeof secret !== 'string'
  ) {
    return undefined;
  }
  return {
    namespace,
    serviceAccount: { name, uid },
    secret: { name: secret },
    audiences: [],
    notBeforeMs: 0,
    legacy: true,
  };
}

function nameAndUid(value: unknown): { name: string; uid?: string } | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { name, uid } = value as Record<string, unknown>;
  if (typeof name !== 'string') return undefined;
  return typeof uid === 'string' ? { name, uid } : { name };
}
