/** Nodes and pods that nobody runs, as the scheduling benchmarks make them. */
import type { Pod } from '../../../proto/api/core-v1.ts';
import { nodeObject } from '../../pretend-nodes/plan/node-objects.ts';
import { waitFor } from '../../machine/wait-for.ts';
import type { Access } from '../api/access.ts';
import { onEach } from '../api/config-maps.ts';
import { RawConnection } from '../api/raw-connection.ts';

const CONNECTIONS = 32;
const HOUR_MS = 3_600_000;

/** Does `work` for 0 to count - 1 over 32 connections. @returns milliseconds of each */
export async function atOnce(
  access: Access,
  count: number,
  work: (connection: RawConnection, i: number) => Promise<unknown>,
): Promise<number[]> {
  const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => RawConnection.open(access)));
  try {
    return await onEach(connections, count, work);
  } finally {
    for (const connection of connections) connection.close();
  }
}

/** Nodes without an agent: they are taken for alive for an hour, and their taint of being new is taken away. */
export async function makeNodes(access: Access, count: number, podsPerNode = 250, cpu = '64'): Promise<void> {
  const shape = { cpu, memory: '256Gi', pods: String(podsPerNode), zones: 3 };
  await atOnce(access, count, async (connection, i) => {
    const node = nodeObject('bench', i, shape, Date.now() + HOUR_MS);
    await connection.call('POST', '/api/v1/nodes', JSON.stringify(node));
    const path = `/api/v1/nodes/${node.metadata.name ?? ''}`;
    await connection.call('PATCH', `${path}/status`, statusOf(node.status), 'application/merge-patch+json');
    await connection.call('PATCH', path, '{"spec":{"taints":null}}', 'application/merge-patch+json');
  });
}

function statusOf(status: unknown): string {
  return JSON.stringify({ status });
}

/** @param spec and metadata beyond what every pod of a bench has */
export function benchPod(
  name: string,
  more: { readonly labels?: Record<string, string>; readonly spec?: Partial<Pod['spec']> } = {},
): string {
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: 'bench', ...more.labels } },
    spec: {
      terminationGracePeriodSeconds: 0,
      tolerations: [{ operator: 'Exists' }],
      containers: [{ name: 'main', image: 'pause', resources: { requests: { cpu: '100m', memory: '64Mi' } } }],
      ...more.spec,
    },
  };
  return JSON.stringify(pod);
}

/** Makes a namespace with the service account that pods need, which the controllers may not be there to make, and waits until pods are taken. */
export async function makeNamespace(access: Access, name: string): Promise<void> {
  const connection = await RawConnection.open(access);
  try {
    await connection.call('POST', '/api/v1/namespaces', JSON.stringify({ metadata: { name } }));
    const account = JSON.stringify({ metadata: { name: 'default' } });
    await connection.call('POST', `/api/v1/namespaces/${name}/serviceaccounts`, account).catch((error: unknown) => {
      // The controllers were faster.
      if (!String(error).includes('409')) throw error;
    });
    // Upstream's first makes a token for the account.
    const path = `/api/v1/namespaces/${name}/pods?dryRun=All`;
    await waitFor(`pods in ${name}`, () => connection.call('POST', path, benchPod('first')));
  } finally {
    connection.close();
  }
}
