/**
 * SubjectAccessReview and its relatives: asking the authorizer over the API.
 */
import { badRequest } from '../../../machinery/meta/status-error.ts';
import { invalid } from '../../../machinery/meta/status-error.ts';
import type {
  SubjectAccessReviewSpec,
  SelfSubjectAccessReviewSpec,
  SubjectAccessReviewStatus,
} from '../../../proto/api/authorization-v1.ts';
import type { ObjectMeta } from '../../../proto/api/meta-v1.ts';
import type { Attributes, Authorizer } from '../authz/authorizer.ts';
import type { RbacAuthorizer } from '../authz/rbac-authorizer.ts';
import { reviewErrors } from './review-errors.ts';
import { decodeObject } from '../rest/decode-body.ts';
import { writeScope, type RestParts } from '../rest/rest-parts.ts';
import type { VirtualResource } from '../registry/resource-set.ts';
import type { Exchange } from '../server/exchange.ts';
import type { ObjectResponse, UserInfo } from '../server/request.ts';

const GROUP = 'authorization.k8s.io';

type Spec = SubjectAccessReviewSpec | SelfSubjectAccessReviewSpec;
type Review = { metadata?: ObjectMeta; spec?: Spec };

export function accessReviews(parts: RestParts, authorizer: Authorizer, rbac: RbacAuthorizer): VirtualResource[] {
  const review = (kind: string, resource: string, namespaced: boolean): VirtualResource => ({
    info: { group: GROUP, version: 'v1', kind, resource, singular: kind.toLowerCase(), namespaced },
    verbs: ['create'],
    handle: exchange => accessReview(parts, authorizer, exchange, kind),
  });
  return [
    review('LocalSubjectAccessReview', 'localsubjectaccessreviews', true),
    review('SelfSubjectAccessReview', 'selfsubjectaccessreviews', false),
    {
      info: {
        group: GROUP,
        version: 'v1',
        kind: 'SelfSubjectRulesReview',
        resource: 'selfsubjectrulesreviews',
        singular: 'selfsubjectrulesreview',
        namespaced: false,
      },
      verbs: ['create'],
      handle: exchange => rulesReview(parts, rbac, exchange),
    },
    review('SubjectAccessReview', 'subjectaccessreviews', false),
  ];
}

async function decode<T>(parts: RestParts, exchange: Exchange, kind: string): Promise<T> {
  const expected = {
    apiVersion: `${GROUP}/v1`,
    kind,
    schema: parts.schemaOf('api/authorization/v1', kind),
    typePackage: 'api/authorization/v1',
  };
  return (await decodeObject(exchange, expected, writeScope(exchange).query.fieldValidation)) as unknown as T;
}

async function accessReview(
  parts: RestParts,
  authorizer: Authorizer,
  exchange: Exchange,
  kind: string,
): Promise<ObjectResponse> {
  const review = await decode<Review>(parts, exchange, kind);
  const spec = review.spec ?? {};
  const { namespace } = exchange.info;
  if (kind === 'LocalSubjectAccessReview') settleNamespace(review, namespace);
  const errors = reviewErrors(kind, review);
  if (errors.length > 0) throw invalid({ group: GROUP, kind }, '', errors);
  const user = kind === 'SelfSubjectAccessReview' ? exchange.user : userOf(spec as SubjectAccessReviewSpec);
  const decision = await authorizer.authorize(attributesOf(user, spec));
  const status: SubjectAccessReviewStatus = { allowed: decision.kind === 'allow' };
  if (decision.kind === 'deny') status.denied = true;
  if (decision.reason !== '') status.reason = decision.reason;
  return { kind: 'object', status: 201, object: { ...review, status } };
}

/** The namespace of the path is the object's own. */
function settleNamespace(review: Review, namespace: string): void {
  const own = review.metadata?.namespace ?? '';
  if (own !== '' && own !== namespace)
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  review.metadata = { ...review.metadata, namespace };
}

function userOf({ user = '', uid, groups = [], extra }: SubjectAccessReviewSpec): UserInfo {
  return { name: user, uid, groups, extra };
}

function attributesOf(user: UserInfo, { resourceAttributes: r, nonResourceAttributes: n }: Spec): Attributes {
  const none = { group: '', version: '', resource: '', subresource: '', namespace: '', name: '' };
  if (r === undefined) return { ...none, user, isResource: false, verb: n?.verb ?? '', path: n?.path ?? '' };
  const { verb = '', group = '', version = '', resource = '', subresource = '', namespace = '', name = '' } = r;
  const fieldSelector =
    r.fieldSelector?.rawSelector ??
    r.fieldSelector?.requirements?.map(q => `${q.key}=${q.values?.[0] ?? ''}`).join(',');
  return {
    user,
    isResource: true,
    verb,
    group,
    version,
    resource,
    subresource,
    namespace,
    name,
    path: '',
    fieldSelector,
  };
}

async function rulesReview(parts: RestParts, rbac: RbacAuthorizer, exchange: Exchange): Promise<ObjectResponse> {
  const review = await decode<{ spec?: { namespace?: string } }>(parts, exchange, 'SelfSubjectRulesReview');
  const namespace = review.spec?.namespace ?? '';
  if (namespace === '') throw badRequest('no namespace on request');
  const rules = [...rbac.rulesFor(exchange.user, namespace)];
  if (exchange.user.groups.includes('system:masters')) {
    rules.unshift({ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }, { verbs: ['*'], nonResourceURLs: ['*'] });
  }
  const resourceRules = rules
    .filter(rule => (rule.resources ?? []).length > 0)
    .map(({ verbs, apiGroups = [], resources = [], resourceNames = [] }) => ({
      verbs,
      apiGroups,
      resources,
      ...(resourceNames.length > 0 ? { resourceNames } : {}),
    }));
  const nonResourceRules = rules
    .filter(rule => (rule.nonResourceURLs ?? []).length > 0)
    .map(({ verbs, nonResourceURLs = [] }) => ({ verbs, nonResourceURLs }));
  return {
    kind: 'object',
    status: 201,
    object: { ...review, status: { resourceRules, nonResourceRules, incomplete: false } },
  };
}
