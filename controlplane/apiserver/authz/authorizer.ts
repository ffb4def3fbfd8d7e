/**
 * The question "may this user do that?", its three answers, and the text of a refusal that kubectl users know.
 */
import { forbidden, type StatusError } from '../../../machinery/meta/status-error.ts';
import { goQuote } from '../../../machinery/meta/go-quote.ts';
import type { UserInfo } from '../server/request.ts';

/** One question. For non-resource requests only `verb` and `path` count. */
export interface Attributes {
  readonly user: UserInfo;
  readonly verb: string;
  readonly isResource: boolean;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  readonly path: string;
  readonly fieldSelector?: string | undefined;
}

export interface Decision {
  readonly kind: 'allow' | 'deny' | 'noOpinion';
  readonly reason: string;
}

export const NO_OPINION: Decision = { kind: 'noOpinion', reason: '' };

export interface Authorizer {
  authorize(attributes: Attributes): Decision | Promise<Decision>;
}

/** The first authorizer with an opinion decides; if none has one, the answer is no. */
export class UnionAuthorizer implements Authorizer {
  readonly #authorizers: readonly Authorizer[];

  constructor(authorizers: readonly Authorizer[]) {
    this.#authorizers = authorizers;
  }

  async authorize(attributes: Attributes): Promise<Decision> {
    const reasons: string[] = [];
    for (const authorizer of this.#authorizers) {
      const decision = await authorizer.authorize(attributes);
      if (decision.kind !== 'noOpinion') return decision;
      if (decision.reason !== '') reasons.push(decision.reason);
    }
    return { kind: 'noOpinion', reason: reasons.join('\n') };
  }
}

/** Members of system:masters may do everything. */
export const mastersAuthorizer: Authorizer = {
  authorize: ({ user }) => (user.groups.includes('system:masters') ? { kind: 'allow', reason: '' } : NO_OPINION),
};

/** @throws StatusError Forbidden unless allowed */
export async function allowOrForbid(authorizer: Authorizer, attributes: Attributes): Promise<void> {
  const decision = await authorizer.authorize(attributes);
  if (decision.kind !== 'allow') throw forbiddenError(attributes, decision.reason);
}

function forbiddenError(attributes: Attributes, reason: string): StatusError {
  const { user, verb, isResource, group, resource, subresource, namespace, name, path } = attributes;
  const who = `User ${goQuote(user.name)} cannot ${verb}`;
  const why = reason === '' ? '' : `: ${reason}`;
  if (!isResource) return forbidden({ group: '', resource: '' }, '', `${who} path ${goQuote(path)}${why}`);
  const what = subresource === '' ? resource : `${resource}/${subresource}`;
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace ${goQuote(namespace)}`;
  return forbidden(
    { group, resource },
    name,
    `${who} resource ${goQuote(what)} in API group ${goQuote(group)} ${where}${why}`,
  );
}
