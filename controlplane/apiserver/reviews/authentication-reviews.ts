/**
 * TokenReview (whose token is this?) and SelfSubjectReview (who am I?).
 */
import { badRequest } from '../../../machinery/meta/status-error.ts';
import { hasReason } from '../../../machinery/meta/status-error-from.ts';
import type { TokenReview, TokenReviewStatus, UserInfo as ApiUserInfo } from '../../../proto/api/authentication-v1.ts';
import { withAuthenticated } from '../filters/authenticate.ts';
import type { VirtualResource } from '../registry/resource-set.ts';
import { timestamp } from '../registry/object-meta.ts';
import { decodeObject } from '../rest/decode-body.ts';
import { writeScope, type RestParts } from '../rest/rest-parts.ts';
import type { UserInfo } from '../server/request.ts';

const GROUP = 'authentication.k8s.io';

/** Whose token it is, for one of these audiences (the API server's own when there are none). @throws StatusError Unauthorized */
export type TokenLookup = (
  token: string,
  audiences: readonly string[],
) => Promise<{ user: UserInfo; audiences: readonly string[] } | undefined>;

export function authenticationReviews(parts: RestParts, lookup: TokenLookup): VirtualResource[] {
  const info = (kind: string, resource: string): VirtualResource['info'] => ({
    group: GROUP,
    version: 'v1',
    kind,
    resource,
    singular: kind.toLowerCase(),
    namespaced: false,
  });
  const expected = (
    kind: string,
  ): { apiVersion: string; kind: string; schema: ReturnType<RestParts['schemaOf']>; typePackage: string } => ({
    apiVersion: `${GROUP}/v1`,
    kind,
    schema: parts.schemaOf('api/authentication/v1', kind),
    typePackage: 'api/authentication/v1',
  });
  return [
    {
      info: info('SelfSubjectReview', 'selfsubjectreviews'),
      verbs: ['create'],
      async handle(exchange) {
        const review = await decodeObject(
          exchange,
          expected('SelfSubjectReview'),
          writeScope(exchange).query.fieldValidation,
        );
        const metadata = { ...review.metadata, creationTimestamp: timestamp(exchange.nowMs) };
        return {
          kind: 'object',
          status: 201,
          object: { ...review, metadata, status: { userInfo: apiUser(exchange.user) } },
        };
      },
    },
    {
      info: info('TokenReview', 'tokenreviews'),
      verbs: ['create'],
      async handle(exchange) {
        const review = (await decodeObject(
          exchange,
          expected('TokenReview'),
          writeScope(exchange).query.fieldValidation,
        )) as TokenReview;
        if ((review.spec?.token ?? '') === '') throw badRequest('token is required for TokenReview in authentication');
        const status = await reviewToken(lookup, review.spec?.token ?? '', review.spec?.audiences ?? []);
        return { kind: 'object', status: 201, object: { ...review, status } };
      },
    },
  ];
}

async function reviewToken(
  lookup: TokenLookup,
  token: string,
  audiences: readonly string[],
): Promise<TokenReviewStatus> {
  try {
    const found = await lookup(token, audiences);
    if (found === undefined) return { error: 'invalid bearer token' };
    const matched = audiences.length === 0 ? found.audiences : audiences.filter(a => found.audiences.includes(a));
    return { authenticated: true, user: apiUser(withAuthenticated(found.user)), audiences: [...matched] };
  } catch (error) {
    if (hasReason(error, 'Unauthorized')) return { error: 'invalid bearer token' };
    throw error;
  }
}

function apiUser({ name, uid, groups, extra }: UserInfo): ApiUserInfo {
  return {
    username: name,
    ...(uid === undefined || uid === '' ? {} : { uid }),
    groups: [...groups],
    ...(extra === undefined || Object.keys(extra).length === 0 ? {} : { extra: extra as Record<string, string[]> }),
  };
}
