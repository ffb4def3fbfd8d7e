/**
 * Finds out who asks, or refuses with 401. Order: identity given in process, client certificate, bearer token, anonymous.
 *
 * - Whoever is known is also in `system:authenticated`.
 * - A certificate or token that is wrong is refused even where anonymous requests are allowed.
 * - Whoever shows nothing is system:anonymous, whom RBAC gives health, version and cluster-info alone: elsewhere 403, as upstream.
 */
import { unauthorized } from '../../../machinery/meta/status-error.ts';
import type { Exchange, Filter } from '../server/exchange.ts';
import { header, type PeerCertificate, type UserInfo } from '../server/request.ts';

/** Says whom a bearer token belongs to; undefined: not mine. Throws StatusError Unauthorized: mine, and bad. */
export type TokenAuthenticator = (token: string) => Promise<UserInfo | undefined>;

const ANONYMOUS: UserInfo = { name: 'system:anonymous', groups: ['system:unauthenticated'] };
const AUTHENTICATED = 'system:authenticated';

export function authenticate(tokens: readonly TokenAuthenticator[]): Filter {
  const byCertificate = new WeakMap<PeerCertificate, UserInfo>();
  return async (exchange, next) => {
    exchange.user = await identify(exchange, tokens, byCertificate);
    return next(exchange);
  };
}

async function identify(
  { request }: Exchange,
  tokens: readonly TokenAuthenticator[],
  byCertificate: WeakMap<PeerCertificate, UserInfo>,
): Promise<UserInfo> {
  if (request.identity !== undefined) return request.identity;
  const { certificate } = request;
  if (certificate !== undefined && certificate !== 'refused') {
    let user = byCertificate.get(certificate);
    if (user === undefined) byCertificate.set(certificate, (user = certificateUser(certificate)));
    return user;
  }
  const token =
    bearerToken(header(request, 'authorization')) ?? webSocketToken(header(request, 'sec-websocket-protocol'));
  if (token !== undefined) return tokenUser(token, tokens);
  if (certificate === 'refused') throw unauthorized();
  return ANONYMOUS;
}

/** Whom `token` belongs to. @throws StatusError Unauthorized */
export async function tokenUser(token: string, tokens: readonly TokenAuthenticator[]): Promise<UserInfo> {
  for (const authenticator of tokens) {
    const user = await authenticator(token);
    if (user !== undefined) return withAuthenticated(user);
  }
  throw unauthorized();
}

function certificateUser(certificate: PeerCertificate): UserInfo {
  return withAuthenticated({
    name: certificate.commonName,
    groups: certificate.organizations,
    extra: { 'authentication.kubernetes.io/credential-id': [`X509SHA256=${certificate.fingerprint}`] },
  });
}

/** `user`, also in system:authenticated. */
export function withAuthenticated(user: UserInfo): UserInfo {
  return user.groups.includes(AUTHENTICATED) ? user : { ...user, groups: [...user.groups, AUTHENTICATED] };
}

function bearerToken(authorization: string | undefined): string | undefined {
  const match = authorization === undefined ? null : /^bearer +(\S+)\s*$/i.exec(authorization);
  return match?.[1];
}

/** Browsers cannot set headers on WebSockets: the token comes as a subprotocol. */
function webSocketToken(protocols: string | undefined): string | undefined {
  const prefix = 'base64url.bearer.authorization.k8s.io.';
  const found = protocols
    ?.split(',')
    .map(p => p.trim())
    .find(p => p.startsWith(prefix));
  return found === undefined ? undefined : Buffer.from(found.slice(prefix.length), 'base64url').toString();
}
