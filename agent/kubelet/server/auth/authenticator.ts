/**
 * Who asks: client certificates of the CA that the server trusts, then tokens (TokenReview), then nobody (anonymous).
 * Source: kubernetes.io/docs, "Kubelet authentication/authorization".
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { Client } from '../../../../machinery/client/client.ts';
import type { TokenReview } from '../../../../proto/api/authentication-v1.ts';
import { durationMs, type KubeletConfiguration } from '../../config/plan/kubelet-configuration.ts';
import { CachedAnswers } from './cached-answers.ts';
import { ANONYMOUS, type RequestUser } from './request-user.ts';

const PATH = '/apis/authentication.k8s.io/v1/tokenreviews';
const TIMEOUT_MS = 10_000;
/** A token is no longer than that; what is, is asked of nobody. */
const MAX_TOKEN_CHARS = 64 * 1024;

export class Authenticator {
  private readonly client: Client;
  private readonly settings: KubeletConfiguration['authentication'];
  private readonly reviews: CachedAnswers<{ readonly user: RequestUser | undefined }>;

  constructor(client: Client, settings: KubeletConfiguration['authentication']) {
    this.client = client;
    this.settings = settings;
    const ttlMs = durationMs(settings.webhook.cacheTTL);
    this.reviews = new CachedAnswers(() => ttlMs);
  }

  /**
   * @returns undefined for credentials that are none (401)
   * @throws StatusError when the API server cannot be asked
   */
  async userOf(request: IncomingMessage): Promise<RequestUser | undefined> {
    const byCertificate = certificateUser(request.socket as TLSSocket);
    if (byCertificate !== undefined) return byCertificate;
    const token = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (token !== undefined && this.settings.webhook.enabled) return this.review(token);
    // Credentials that nobody here understands are not those of nobody.
    if (request.headers.authorization !== undefined) return undefined;
    return this.settings.anonymous.enabled ? ANONYMOUS : undefined;
  }

  private async review(token: string): Promise<RequestUser | undefined> {
    if (token.length > MAX_TOKEN_CHARS) return undefined;
    const key = createHash('sha256').update(token).digest('base64');
    const { user } = await this.reviews.get(key, async () => {
      const review: TokenReview = {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        metadata: {},
        spec: { token },
      };
      const answer = await this.client.raw('POST', PATH, review, AbortSignal.timeout(TIMEOUT_MS));
      return { user: userIn(answer as TokenReview) };
    });
    return user;
  }
}

function certificateUser(socket: TLSSocket): RequestUser | undefined {
  if (!socket.authorized) return undefined;
  const { subject } = socket.getPeerCertificate();
  const groups = subject?.O as string | string[] | undefined;
  if (typeof subject?.CN !== 'string') return undefined;
  return { name: subject.CN, groups: [...(groups === undefined ? [] : [groups].flat()), 'system:authenticated'] };
}

function userIn({ status }: TokenReview): RequestUser | undefined {
  const { username, uid, groups = [], extra } = status?.user ?? {};
  if (status?.authenticated !== true || username === undefined) return undefined;
  return { name: username, uid, groups, extra };
}
