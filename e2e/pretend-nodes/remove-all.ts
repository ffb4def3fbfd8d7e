/** Takes made-up nodes away again: their pods, their Leases and themselves. */
import type { Client } from '../../machinery/client/client.ts';
import { leases, nodes, pods } from '../../machinery/client/resource.ts';
import { isNotFound } from '../../machinery/meta/status-error-from.ts';
import { PRETENDED_BY } from './plan/node-objects.ts';

const PAGE = 500;
const AT_ONCE = 32;

/** @returns how many of each went */
export async function removeAll(client: Client, prefix: string): Promise<{ nodes: number; pods: number }> {
  const found = await client.of(nodes).list({ labelSelector: `${PRETENDED_BY}=${prefix}` });
  const names = found.items.map(node => node.metadata.name ?? '');
  await each(names, name => client.of(nodes).delete({ name }));
  await each(names, name => client.of(leases).delete({ namespace: 'kube-node-lease', name }));
  const ours = new Set(names);
  let removed = 0;
  for (let token: string | undefined = ''; token !== undefined;) {
    const page = await client.of(pods).list({ limit: PAGE, ...(token === '' ? {} : { continue: token }) });
    const bound = page.items.filter(pod => ours.has(pod.spec.nodeName ?? ''));
    await each(bound, ({ metadata: { namespace, name = '', uid } }) =>
      client.of(pods).delete({ namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid } }),
    );
    removed += bound.length;
    token = page.continue === '' ? undefined : page.continue;
  }
  return { nodes: names.length, pods: removed };
}

async function each<T>(items: readonly T[], remove: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const worker = async (): Promise<void> => {
    for (let item = left.pop(); item !== undefined; item = left.pop()) {
      await remove(item).catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
