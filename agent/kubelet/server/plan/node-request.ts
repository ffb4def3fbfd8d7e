/**
 * What a request to the kubelet's API asks permission for, in the words of the node authorizer and RBAC: a verb on a subresource of
 * this Node. Source: kubernetes.io/docs, "Kubelet authentication/authorization" and KEP-2862 (fine-grained subresources). Pure.
 */

/** Subresources of the node, any one of which allows the request; the most specific first. */
export interface NodeAccess {
  verb: string;
  subresources: readonly string[];
}

const VERBS: Readonly<Record<string, string>> = {
  GET: 'get',
  HEAD: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

export function nodeAccess(method: string, path: string): NodeAccess {
  const verb = VERBS[method] ?? method.toLowerCase();
  const under = (prefix: string): boolean => path === prefix || path.startsWith(`${prefix}/`);
  if (under('/stats')) return { verb, subresources: ['stats'] };
  if (under('/metrics')) return { verb, subresources: ['metrics'] };
  if (under('/logs')) return { verb, subresources: ['log'] };
  if (under('/checkpoint')) return { verb, subresources: ['checkpoint'] };
  if (under('/healthz')) return { verb, subresources: ['healthz', 'proxy'] };
  if (under('/configz')) return { verb, subresources: ['configz', 'proxy'] };
  if (under('/pods') || under('/runningpods')) return { verb, subresources: ['pods', 'proxy'] };
  return { verb, subresources: ['proxy'] };
}
