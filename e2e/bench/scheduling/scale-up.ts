/** A Deployment scaled from 0 to many pods on made-up nodes: until all are created, bound and ready, as a watcher sees it. */
import { deployments } from '../../../machinery/client/resource.ts';
import { cpuMs } from '../../machine/processes.ts';
import type { K8tsServer } from '../api/start-k8ts.ts';
import { connectTo } from './connect.ts';
import { makeNamespace } from './objects.ts';
import { lastOf, PodsSeen } from './pods-seen.ts';
import { pretendNodes } from './pretend.ts';

const TIMEOUT_MS = 120_000;

export interface ScaleUpFigures {
  readonly createdMs: number;
  readonly boundMs: number;
  readonly readyMs: number;
  /** Of the server, until all were ready. */
  readonly cpuMs: number;
}

export async function measureScaleUp(
  { access, pid, kubeconfig }: K8tsServer,
  nodes: number,
  replicas: number,
): Promise<ScaleUpFigures> {
  const { client, close } = connectTo(access);
  const pretended = await pretendNodes(kubeconfig, nodes, ['--prefix', 'scale-up']);
  try {
    await makeNamespace(access, 'scale-up');
    await client.of(deployments).create(deploymentOf('scale-up', 'web', 0));
    const seen = await PodsSeen.follow(client, { namespace: 'scale-up' });
    const [begin, before] = [performance.now(), cpuMs(pid)];
    const ref = { namespace: 'scale-up', name: 'web' };
    await client.of(deployments).patch(ref, { spec: { replicas } }, { type: 'merge' });
    await seen.until(`${replicas} pods of a Deployment`, () => seen.readyMs.size >= replicas, TIMEOUT_MS);
    seen.close();
    const since = (times: Map<string, number>): number => Math.round(lastOf(times.values()) - begin);
    const [createdMs, boundMs, readyMs] = [since(seen.createdMs), since(seen.boundMs), since(seen.readyMs)];
    return { createdMs, boundMs, readyMs, cpuMs: cpuMs(pid) - before };
  } finally {
    await pretended.stop();
    await close();
  }
}

export function deploymentOf(namespace: string, name: string, replicas: number) {
  const labels = { app: name };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { namespace, name },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          containers: [{ name: 'main', image: 'pause', resources: { requests: { cpu: '10m', memory: '16Mi' } } }],
        },
      },
    },
  };
}
