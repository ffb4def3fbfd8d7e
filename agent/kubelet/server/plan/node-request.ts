/**
 * What a request to the kubelet's API asks permission for, in the words of the node authorizer and RBAC: a verb on a subresource of
 * this Node. Source: kubernetes `pkg/kubelet/server/auth.go` 1.36, and KEP-2862 (fine-grained subresources). Pure.
 */

/** Subresources of the node, any one of which allows the request; the most specific first. */
export interface NodeAccess {
  readonly verb: string;
  readonly subresources: readonly string[];
}

const VERBS: Readonly<Record<string, string>> = {
  GET: 'get',
  // Upstream has no word for it: only who may do anything may do that. It reads as GET does.
  HEAD: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

/** Where one subresource says it all. */
const COARSE: readonly (readonly [path: string, subresource: string])[] = [
  ['/stats', 'stats'],
  ['/metrics', 'metrics'],
  // As of pods.
  ['/logs', 'log'],
  ['/checkpoint', 'checkpoint'],
];

/** Where whoever may do everything (`proxy`) need not be named again. */
const FINE: readonly (readonly [path: string, subresource: string])[] = [
  ['/pods', 'pods'],
  ['/runningpods', 'pods'],
  ['/healthz', 'healthz'],
  ['/configz', 'configz'],
  ['/statusz', 'statusz'],
];

export function nodeAccess(method: string, path: string): NodeAccess {
  const verb = VERBS[method] ?? '';
  const isUnder = ([prefix]: readonly [string, string]): boolean => path === prefix || path.startsWith(`${prefix}/`);
  const coarse = COARSE.find(isUnder);
  if (coarse !== undefined) return { verb, subresources: [coarse[1]] };
  const fine = FINE.find(isUnder);
  return { verb, subresources: fine === undefined ? ['proxy'] : [fine[1], 'proxy'] };
}
