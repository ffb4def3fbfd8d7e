/** Whether somebody may do something with this node's kubelet, as the API server says (SubjectAccessReview). */
import type { Client } from '../../../../machinery/client/client.ts';
import type { SubjectAccessReview } from '../../../../proto/api/authorization-v1.ts';
import { durationMs, type KubeletConfiguration } from '../../config/plan/kubelet-configuration.ts';
import type { NodeAccess } from '../plan/node-request.ts';
import { CachedAnswers } from './cached-answers.ts';
import type { RequestUser } from './request-user.ts';

const PATH = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
const TIMEOUT_MS = 10_000;

export class NodeAuthorizer {
  private readonly client: Client;
  private readonly nodeName: string;
  private readonly isAlwaysAllow: boolean;
  private readonly reviews: CachedAnswers<{ readonly allowed: boolean }>;

  constructor(client: Client, nodeName: string, settings: KubeletConfiguration['authorization']) {
    this.client = client;
    this.nodeName = nodeName;
    this.isAlwaysAllow = settings.mode === 'AlwaysAllow';
    const allowedMs = durationMs(settings.webhook.cacheAuthorizedTTL);
    const deniedMs = durationMs(settings.webhook.cacheUnauthorizedTTL);
    this.reviews = new CachedAnswers(({ allowed }) => (allowed ? allowedMs : deniedMs));
  }

  /** @throws StatusError when the API server cannot be asked */
  async allows(user: RequestUser, { verb, subresources }: NodeAccess): Promise<boolean> {
    // Differs: asked of nobody, so that an administrator gets in while the API is away.
    if (this.isAlwaysAllow || user.groups.includes('system:masters')) return true;
    for (const subresource of subresources) if (await this.review(user, verb, subresource)) return true;
    return false;
  }

  private async review(user: RequestUser, verb: string, subresource: string): Promise<boolean> {
    const { name, uid, groups, extra } = user;
    const key = JSON.stringify([name, uid, groups, extra, verb, subresource]);
    const { allowed } = await this.reviews.get(key, async () => {
      const review: SubjectAccessReview = {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SubjectAccessReview',
        metadata: {},
        spec: {
          user: name,
          uid,
          groups: [...groups],
          ...(extra === undefined
            ? {}
            : { extra: Object.fromEntries(Object.entries(extra).map(([k, v]) => [k, [...v]])) }),
          resourceAttributes: { verb, version: 'v1', resource: 'nodes', subresource, name: this.nodeName },
        },
      };
      const answer = await this.client.raw('POST', PATH, review, AbortSignal.timeout(TIMEOUT_MS));
      return { allowed: (answer as SubjectAccessReview).status?.allowed === true };
    });
    return allowed;
  }
}
