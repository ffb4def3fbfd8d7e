/**
 * Who asks, and whether they may: the kubelet's API trusts client certificates of the cluster's CA, and asks the API server about
 * tokens (TokenReview) and permissions (SubjectAccessReview). Answers are kept for a short while; failures never are.
 */
import type { TLSSocket } from 'node:tls';
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { LRUCache } from 'lru-cache';
import type { Client } from '../../../machinery/client/client.ts';
import type { TokenReview } from '../../../proto/api/authentication-v1.ts';
import type { SubjectAccessReview } from '../../../proto/api/authorization-v1.ts';
import { nodeAccess } from './plan/node-request.ts';

export interface RequestUser {
  name: string;
  uid?: string | undefined;
  groups: readonly string[];
}

/** `undefined` user: nobody we know (401). A reason: known, but not allowed (403). */
export type AccessDecision =
  { kind: 'allowed'; user: RequestUser } | { kind: 'unauthenticated' } | { kind: 'denied'; reason: string };

const CACHE_SIZE = 1000;
const ALLOWED_MS = 5 * 60_000;
const DENIED_MS = 30_000;
const TOKEN_MS = 2 * 60_000;

export class WebhookAuth {
  private readonly client: Client;
  private readonly nodeName: string;
  private readonly tokens = new LRUCache<string, RequestUser>({ max: CACHE_SIZE, ttl: TOKEN_MS });
  private readonly decisions = new LRUCache<string, AccessDecision>({ max: CACHE_SIZE });

  constructor(client: Client, nodeName: string) {
    this.client = client;
    this.nodeName = nodeName;
  }

  /** @throws StatusError when the API server cannot be asked */
  async decide(request: IncomingMessage, path: string, signal?: AbortSignal): Promise<AccessDecision> {
    const user = await this.authenticate(request, signal);
    if (user === undefined) return { kind: 'unauthenticated' };
    if (user.groups.includes('system:masters')) return { kind: 'allowed', user };
    const { verb, subresources } = nodeAccess(request.method ?? 'GET', path);
    let last: AccessDecision = { kind: 'unauthenticated' };
    for (const subresource of subresources) {
      last = await this.authorize(user, verb, subresource, signal);
      if (last.kind === 'allowed') return last;
    }
    return last;
  }

  private async authenticate(request: IncomingMessage, signal?: AbortSignal): Promise<RequestUser | undefined> {
    const socket = request.socket as TLSSocket;
    if (socket.authorized) {
      const { subject } = socket.getPeerCertificate();
      const groups = subject?.O as string | string[] | undefined;
      if (typeof subject?.CN === 'string')
        return { name: subject.CN, groups: [...(groups === undefined ? [] : [groups].flat()), 'system:authenticated'] };
    }
    const token = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (token === undefined) return undefined;
    const key = createHash('sha256').update(token).digest('base64');
    const known = this.tokens.get(key);
    if (known !== undefined) return known;
    const review: TokenReview = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      metadata: {},
      spec: { token },
    };
    const answer = (await this.client.raw(
      'POST',
      '/apis/authentication.k8s.io/v1/tokenreviews',
      review,
      signal,
    )) as TokenReview;
    const { username, uid, groups = [] } = answer.status?.user ?? {};
    if (answer.status?.authenticated !== true || username === undefined) return undefined;
    const user = { name: username, uid, groups };
    this.tokens.set(key, user);
    return user;
  }

  private async authorize(
    user: RequestUser,
    verb: string,
    subresource: string,
    signal?: AbortSignal,
  ): Promise<AccessDecision> {
    const key = JSON.stringify([user.name, user.uid, user.groups, verb, subresource]);
    const known = this.decisions.get(key);
    if (known !== undefined) return known;
    const review: SubjectAccessReview = {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      metadata: {},
      spec: {
        user: user.name,
        uid: user.uid,
        groups: [...user.groups],
        resourceAttributes: { verb, version: '*', resource: 'nodes', subresource, name: this.nodeName },
      },
    };
    const answer = (await this.client.raw(
      'POST',
      '/apis/authorization.k8s.io/v1/subjectaccessreviews',
      review,
      signal,
    )) as SubjectAccessReview;
    const allowed = answer.status?.allowed === true;
    const decision: AccessDecision = allowed
      ? { kind: 'allowed', user }
      : {
          kind: 'denied',
          reason: `Forbidden (user=${user.name}, verb=${verb}, resource=nodes, subresource(s)=[${subresource}])`,
        };
    this.decisions.set(key, decision, { ttl: allowed ? ALLOWED_MS : DENIED_MS });
    return decision;
  }
}
