/**
 * Service-account tokens for projected volumes: asked for by TokenRequest, bound to the pod, kept until 80 % of their life is over.
 */
import type { Client } from '../../../machinery/client/client.ts';
import { serviceAccounts } from '../../../machinery/client/resource.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { TokenRequest } from '../../../proto/api/authentication-v1.ts';
import type { Pod, ServiceAccountTokenProjection } from '../../../proto/api/core-v1.ts';

const DEFAULT_SECONDS = 3600;
/** A token is renewed at this share of its life, and after a day at the latest. */
const RENEW_AT = 0.8;
const RENEW_AFTER_MS = 24 * 3600 * 1000;

export interface IssuedToken {
  readonly token: string;
  /** RFC 3339. */
  readonly expirationTimestamp: string;
  /** When to ask for the next one, milliseconds since the epoch. */
  readonly renewAtMs: number;
}

export class TokenSource {
  private readonly client: Client;
  private readonly clock: Clock;
  /** Tokens by pod UID, then by account, audience and life. */
  private readonly issued = new Map<string, Map<string, IssuedToken>>();

  constructor(client: Client, clock: Clock) {
    this.client = client;
    this.clock = clock;
  }

  /** @throws StatusError as the server said */
  async token(pod: Pod, projection: ServiceAccountTokenProjection, signal: AbortSignal): Promise<IssuedToken> {
    const { uid = '', namespace, name = '' } = pod.metadata;
    const account = pod.spec.serviceAccountName ?? 'default';
    const expirationSeconds = projection.expirationSeconds ?? DEFAULT_SECONDS;
    const key = `${account}/${projection.audience ?? ''}/${expirationSeconds}`;
    const ofPod = this.issued.get(uid) ?? new Map<string, IssuedToken>();
    const known = ofPod.get(key);
    if (known !== undefined && this.clock.now() < known.renewAtMs) return known;
    const request: TokenRequest = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      metadata: {},
      spec: {
        ...(projection.audience === undefined || projection.audience === ''
          ? {}
          : { audiences: [projection.audience] }),
        expirationSeconds,
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid },
      },
    };
    const askedAtMs = this.clock.now();
    const answer = await this.client
      .of(serviceAccounts)
      .createSubresource<TokenRequest>({ namespace, name: account }, 'token', request, signal);
    const endsAtMs = Date.parse(answer.status?.expirationTimestamp ?? '');
    const lifeMs = Number.isNaN(endsAtMs) ? expirationSeconds * 1000 : endsAtMs - askedAtMs;
    const fresh = {
      token: answer.status?.token ?? '',
      expirationTimestamp: answer.status?.expirationTimestamp ?? '',
      renewAtMs: askedAtMs + Math.min(lifeMs * RENEW_AT, RENEW_AFTER_MS),
    };
    this.issued.set(uid, ofPod.set(key, fresh));
    return fresh;
  }

  forget(podUid: string): void {
    this.issued.delete(podUid);
  }
}
