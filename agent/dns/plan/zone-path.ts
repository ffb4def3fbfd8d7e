/** Where in the cluster's zone a name lies. */
import { parseReverseName } from './reverse-name.ts';
import type { ReverseName } from './reverse-name.ts';

export type ZonePath =
  /** Under `svc` or `pod`: the namespace, what is in it, and what is written before that (as written: nearest to the front first). */
  | {
      readonly kind: 'svc' | 'pod';
      readonly namespace: string | undefined;
      readonly member: string | undefined;
      readonly rest: readonly string[];
    }
  /** Elsewhere in the domain, and the domain itself (no labels). */
  | { readonly kind: 'domain'; readonly labels: readonly string[] }
  | { readonly kind: 'reverse'; readonly reverse: ReverseName }
  | { readonly kind: 'outside' };

/** @param name in lower case */
export function parseZonePath(name: string, domain: string): ZonePath {
  if (name === domain) return { kind: 'domain', labels: [] };
  if (!name.endsWith(domain) || name[name.length - domain.length - 1] !== '.') {
    const reverse = name.endsWith('.arpa') ? parseReverseName(name) : undefined;
    return reverse === undefined ? { kind: 'outside' } : { kind: 'reverse', reverse };
  }
  const labels = name.slice(0, -domain.length - 1).split('.');
  const kind = labels.at(-1);
  if (kind !== 'svc' && kind !== 'pod') return { kind: 'domain', labels };
  return { kind, namespace: labels.at(-2), member: labels.at(-3), rest: labels.slice(0, -3) };
}

/** The service (`namespace/name`) whose changes are the only ones that matter to names at `path`; empty if any change may. */
export function subjectOf(path: ZonePath): string {
  return path.kind === 'svc' && path.member !== undefined ? `${path.namespace}/${path.member}` : '';
}
