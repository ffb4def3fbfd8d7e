/**
 * Deletes what is in a namespace, over every kind that discovery lists: pods first, and everything else once they are gone, so that no pod loses
 * what it needs to end (KEP-5080).
 */
import type { Namespace, Pod } from '../../../proto/api/core-v1.ts';
import type { Client } from '../../../machinery/client/client.ts';
import { pods, type AnyObject } from '../../../machinery/client/resource.ts';
import { errorText } from '../../../machinery/meta/error-text.ts';
import { hasReason, isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { parseTime } from '../../../machinery/meta/time.ts';
import { discoverResources, type DiscoveredResource } from '../runtime/discover-resources.ts';
import { podsGraceSeconds, unexpectedlyLeft, type ContentReport } from './plan.ts';

/** A report, and the kinds of what is left. */
export interface Emptied extends ContentReport {
  readonly left: readonly DiscoveredResource[];
}

interface Draft {
  readonly discoveryFailures: ReadonlyMap<string, string>;
  readonly deletionFailures: string[];
  readonly remaining: Map<string, number>;
  readonly finalizers: Map<string, number>;
  readonly left: DiscoveredResource[];
}

/** One pass. @throws StatusError when discovery does not answer at all */
export async function emptyNamespace(
  client: Client,
  namespace: Namespace,
  nowMs: number,
  signal: AbortSignal,
): Promise<Emptied> {
  const { resources, failures } = await discoverResources(client, signal);
  const draft: Draft = {
    discoveryFailures: new Map(failures.map(({ groupVersion, error }) => [groupVersion, error.message])),
    deletionFailures: [],
    remaining: new Map(),
    finalizers: new Map(),
    left: [],
  };
  const deletable = resources.filter(r => r.namespaced && r.verbs.includes('list') && r.verbs.includes('delete'));
  const isPods = ({ group, resource }: DiscoveredResource): boolean => group === '' && resource === pods.resource;
  const passes = [deletable.filter(isPods), deletable.filter(r => !isPods(r))];
  for (const pass of passes) {
    await Promise.all(pass.map(resource => emptyOf(client, namespace, resource, draft, nowMs, signal)));
    if (draft.left.length + draft.deletionFailures.length > 0) break;
  }
  return draft;
}

async function emptyOf(
  client: Client,
  namespace: Namespace,
  resource: DiscoveredResource,
  draft: Draft,
  nowMs: number,
  signal: AbortSignal,
): Promise<void> {
  const name = namespace.metadata.name ?? '';
  try {
    const { before, left } = await deleteAll(client, resource, name, signal);
    if (left.length === 0) return;
    draft.left.push(resource);
    draft.remaining.set(`${resource.resource}.${resource.group}`, left.length);
    const held = left.flatMap(object => object.metadata.finalizers ?? []);
    for (const finalizer of held) draft.finalizers.set(finalizer, (draft.finalizers.get(finalizer) ?? 0) + 1);
    const isPods = resource.group === '' && resource.resource === pods.resource;
    const graceMs = isPods ? podsGraceSeconds(before as Pod[]) * 1000 : 0;
    const deletedMs = parseTime(namespace.metadata.deletionTimestamp ?? '') ?? nowMs;
    if (held.length === 0 && nowMs - deletedMs >= graceMs)
      draft.deletionFailures.push(unexpectedlyLeft(name, resource));
  } catch (error) {
    signal.throwIfAborted();
    if (!hasReason(error, 'MethodNotAllowed', 'NotFound')) draft.deletionFailures.push(errorText(error));
  }
}

async function deleteAll(
  client: Client,
  resource: DiscoveredResource,
  namespace: string,
  signal: AbortSignal,
): Promise<{ before: AnyObject[]; left: AnyObject[] }> {
  const of = client.of(resource);
  const { items: before } = await of.list({ namespace, signal });
  const alive = before.filter(object => object.metadata.deletionTimestamp === undefined);
  if (alive.length === 0) return { before, left: before };
  if (resource.verbs.includes('deletecollection')) {
    await of.deleteCollection({ namespace }, { propagationPolicy: 'Background', signal });
  } else {
    for (const { metadata } of alive) {
      const ref = { namespace, name: metadata.name ?? '' };
      await of.delete(ref, { propagationPolicy: 'Background', signal }).catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
    }
  }
  return { before, left: (await of.list({ namespace, signal })).items };
}
