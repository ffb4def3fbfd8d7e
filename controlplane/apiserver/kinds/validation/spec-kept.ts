/**
 * The rule that nearly every status subresource follows: only status changes.
 * Source: Kubernetes `pkg/registry/*` (status strategies).
 */
import type { AnyObject } from '../../../../machinery/client/resource.ts';

/** Keeps the whole object but metadata and status. */
export function keepSpec(object: AnyObject, older: AnyObject): void {
  const next = object as unknown as Record<string, unknown>;
  const was = older as unknown as Record<string, unknown>;
  for (const key of Object.keys({ ...was, ...next })) {
    if (key === 'apiVersion' || key === 'kind' || key === 'metadata' || key === 'status') continue;
    if (was[key] === undefined) delete next[key];
    else next[key] = was[key];
  }
}
