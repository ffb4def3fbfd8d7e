/**
 * The token subresource of service accounts (TokenRequest): a signed token, bound to what the request names.
 * Source: kubernetes `pkg/registry/core/serviceaccount/storage/token.go`.
 */
import { invalidError } from '../../../machinery/meta/field-error.ts';
import { badRequest, conflict, invalid, notFound } from '../../../machinery/meta/status-error.ts';
import type {
  ServiceAccountTokens,
  NameAndUid,
  TokenRequestInput,
} from '../../../machinery/pki/service-account-tokens.ts';
import type { BoundObjectReference, TokenRequest } from '../../../proto/api/authentication-v1.ts';
import type { Node, Pod, Secret } from '../../../proto/api/core-v1.ts';
import { timestamp } from '../registry/object-meta.ts';
import type { Subresource } from '../registry/resource-set.ts';
import { decodeObject } from '../rest/decode-body.ts';
import { writeScope, type RestParts } from '../rest/rest-parts.ts';
import type { ResourceStorage } from '../storage/storage.ts';

export interface TokenIssuerOptions {
  readonly tokens: ServiceAccountTokens;
  /** Audiences of a token whose request names none. */
  readonly apiAudiences: readonly string[];
  readonly pods: ResourceStorage<Pod>;
  readonly secrets: ResourceStorage<Secret>;
  readonly nodes: ResourceStorage<Node>;
}

const MIN_SECONDS = 600;
const MAX_SECONDS = 2 ** 32;
/** The life that injected tokens ask for (an hour and seven seconds) is stretched to a year, as upstream does, with a warning after it. */
const INJECTED_SECONDS = 3607;
const STRETCHED_SECONDS = 365 * 24 * 3600;
const TOKEN_REQUEST = { group: 'authentication.k8s.io', kind: 'TokenRequest' };

export function tokenSubresource(parts: RestParts, options: TokenIssuerOptions): Subresource {
  return {
    name: 'token',
    kind: 'TokenRequest',
    group: 'authentication.k8s.io',
    version: 'v1',
    verbs: ['create'],
    async handle(exchange, accounts) {
      const { namespace, name } = exchange.info;
      const { query, context } = writeScope(exchange);
      const expected = {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        schema: parts.schemaOf('api/authentication/v1', 'TokenRequest'),
        typePackage: 'api/authentication/v1',
      };
      const request = (await decodeObject(exchange, expected, query.fieldValidation)) as unknown as TokenRequest;
      const account = (await accounts.storage.get(namespace, name)).object;
      const expirationSeconds = checkExpiration(request.spec?.expirationSeconds ?? 3600);
      const asked: readonly string[] = request.spec?.audiences ?? [];
      const audiences = asked.length > 0 ? [...asked] : [...options.apiAudiences];
      const injected = expirationSeconds === INJECTED_SECONDS && audiences.every(a => options.apiAudiences.includes(a));
      const bound = await boundTo(options, namespace, name, request.spec?.boundObjectRef);
      const input: TokenRequestInput = {
        namespace,
        serviceAccount: { name, uid: account.metadata.uid ?? '' },
        audiences,
        expirationSeconds: injected ? STRETCHED_SECONDS : expirationSeconds,
        ...(injected ? { warnAfterSeconds: INJECTED_SECONDS } : {}),
        ...bound,
      };
      const { token } = options.tokens.issue(input);
      const status = { token, expirationTimestamp: timestamp(context.nowMs + expirationSeconds * 1000) };
      const spec = { ...request.spec, audiences, expirationSeconds };
      const object = {
        ...request,
        metadata: { name, namespace, creationTimestamp: timestamp(context.nowMs) },
        spec,
        status,
      };
      return { kind: 'object', status: 201, object };
    },
  };
}

function checkExpiration(seconds: number): number {
  const refuse = (why: string): never => {
    throw invalid(TOKEN_REQUEST, '', [invalidError('spec.expirationSeconds', seconds, why)]);
  };
  if (seconds < MIN_SECONDS) refuse('may not specify a duration less than 10 minutes');
  if (seconds > MAX_SECONDS) refuse('may not specify a duration larger than 2^32 seconds');
  return seconds;
}

type Bound = Partial<Pick<TokenRequestInput, 'pod' | 'secret' | 'node'>>;

async function boundTo(
  options: TokenIssuerOptions,
  namespace: string,
  account: string,
  ref: BoundObjectReference | undefined,
): Promise<Bound> {
  if (ref === undefined) return {};
  const { kind = '', apiVersion = '', name = '', uid = '' } = ref;
  const what = `${apiVersion}, Kind=${kind}`;
  if (apiVersion !== 'v1' && apiVersion !== '')
    throw badRequest(`cannot bind token for serviceaccount ${JSON.stringify(account)} to object of type ${what}`);
  switch (kind) {
    case 'Pod': {
      const { object } = await options.pods.get(namespace, name);
      if (object.spec?.serviceAccountName !== account) {
        throw badRequest(
          `cannot bind token for serviceaccount ${JSON.stringify(account)} to pod running with different serviceaccount name.`,
        );
      }
      const nodeName = object.spec.nodeName ?? '';
      const node =
        nodeName === '' ? undefined : { name: nodeName, uid: options.nodes.peek('', nodeName)?.object.metadata.uid };
      return { pod: checkUid('pods', name, object.metadata.uid, uid), ...(node === undefined ? {} : { node }) };
    }
    case 'Secret':
      return {
        secret: checkUid('secrets', name, (await options.secrets.get(namespace, name)).object.metadata.uid, uid),
      };
    case 'Node':
      return { node: checkUid('nodes', name, (await options.nodes.get('', name)).object.metadata.uid, uid) };
    default:
      throw badRequest(`cannot bind token to object of type ${what}`);
  }
}

function checkUid(resource: string, name: string, actual: string | undefined, wanted: string): NameAndUid {
  if (actual === undefined) throw notFound({ group: '', resource }, name);
  if (wanted !== '' && wanted !== actual) {
    const why = `the UID in the bound object reference (${wanted}) does not match the UID in record. The object might have been deleted and then recreated`;
    throw conflict({ group: '', resource }, name, why);
  }
  return { name, uid: actual };
}
