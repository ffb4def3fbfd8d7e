/**
 * Lets a caller who may `impersonate` act as someone else (`kubectl --as`): each user, group, uid and extra value is authorized by itself.
 * Source: apiserver `pkg/endpoints/filters/impersonation.go`.
 */
import { badRequest } from '../../../machinery/meta/status-error.ts';
import { allowOrForbid, type Authorizer } from '../authz/authorizer.ts';
import type { Exchange, Filter } from '../server/exchange.ts';
import { header, type UserInfo } from '../server/request.ts';

const EXTRA_PREFIX = 'impersonate-extra-';
const SERVICE_ACCOUNT = /^system:serviceaccount:([^:]+):([^:]+)$/;

export function impersonate(authorizer: Authorizer): Filter {
  return async (exchange, next) => {
    const asked = askedFor(exchange);
    if (asked !== undefined) exchange.user = await become(exchange, asked, authorizer);
    return next(exchange);
  };
}

interface Impersonation {
  readonly user: string;
  readonly uid: string | undefined;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

function askedFor({ request }: Exchange): Impersonation | undefined {
  const user = header(request, 'impersonate-user') ?? '';
  const uid = header(request, 'impersonate-uid');
  const groups = listHeader(request.headers['impersonate-group']);
  const extra = Object.create(null) as Record<string, string[]>;
  for (const name of Object.keys(request.headers)) {
    if (name.startsWith(EXTRA_PREFIX))
      extra[unescaped(name.slice(EXTRA_PREFIX.length))] = listHeader(request.headers[name]);
  }
  if (user !== '') return { user, uid, groups, extra };
  if (uid === undefined && groups.length === 0 && Object.keys(extra).length === 0) return undefined;
  throw badRequest('requested impersonation without impersonating a user');
}

/** Keys are percent-encoded; what is not is taken as it stands. */
function unescaped(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}

/** Node joins a repeated HTTP/1.1 header with `, `. */
function listHeader(value: string | string[] | undefined): string[] {
  if (value === undefined) return [];
  return [value]
    .flat()
    .flatMap(v => v.split(', '))
    .filter(v => v !== '');
}

async function become(exchange: Exchange, asked: Impersonation, authorizer: Authorizer): Promise<UserInfo> {
  const may = (group: string, resource: string, subresource: string, namespace: string, name: string): Promise<void> =>
    allowOrForbid(authorizer, {
      user: exchange.user,
      verb: 'impersonate',
      isResource: true,
      group,
      version: 'v1',
      resource,
      subresource,
      namespace,
      name,
      path: '',
    });
  const account = SERVICE_ACCOUNT.exec(asked.user);
  if (account === null) await may('', 'users', '', '', asked.user);
  else await may('', 'serviceaccounts', '', account[1] ?? '', account[2] ?? '');
  for (const group of asked.groups) await may('', 'groups', '', '', group);
  if (asked.uid !== undefined) await may('authentication.k8s.io', 'uids', '', '', asked.uid);
  for (const [key, values] of Object.entries(asked.extra)) {
    for (const value of values) await may('authentication.k8s.io', 'userextras', key, '', value);
  }
  return { name: asked.user, uid: asked.uid, groups: groupsOf(asked, account), extra: asked.extra };
}

function groupsOf(asked: Impersonation, account: RegExpExecArray | null): string[] {
  const groups = [...asked.groups];
  if (account !== null && groups.length === 0)
    groups.push('system:serviceaccounts', `system:serviceaccounts:${account[1] ?? ''}`);
  const known = asked.user === 'system:anonymous' ? 'system:unauthenticated' : 'system:authenticated';
  if (!groups.includes(known)) groups.push(known);
  return groups;
}
