/**
 * Tells programs of the node, over a unix socket, which devices, processors and memory each container has: `pod-resources/kubelet.sock`.
 * Source: kubernetes.io/docs, "Device Plugins", "Monitoring device plugin resources"; v1, and `List` of v1alpha1.
 */
import type { Pod } from '../../../../proto/api/core-v1.ts';
import type { Clock } from '../../../../machinery/process/clock.ts';
import { PodResourcesListerService as calls } from '../../../../proto/plugins/pod-resources/pod-resources.gen.ts';
import { CallRefusal, GrpcServer } from '../../runtime/grpc-server.ts';
import type { PodResourcesQuestion, ResourceMetrics } from '../resource-metrics.ts';
import { listAnswer, podAnswer, stockAnswer, type Holdings, type Stock } from '../plan/pod-resources-answer.ts';

export interface PodResourcesServerOptions {
  /** Absolute; its folder is made. */
  readonly socketPath: string;
  readonly clock: Clock;
  readonly metrics: ResourceMetrics;
  /** Pods of this node. */
  readonly pods: () => readonly Pod[];
  readonly holdings: Holdings;
  readonly stock: () => Stock;
}

/** Upstream's bounds, for all callers together. */
const CALLS_A_SECOND = 100;
const BURST = 10;

/** Listens until `signal` aborts. @throws Error when nothing can listen there */
export async function servePodResources(options: PodResourcesServerOptions, signal: AbortSignal): Promise<void> {
  const { socketPath, pods, holdings, stock, metrics } = options;
  const admit = rateLimit(options.clock);
  const counted = <T>(question: PodResourcesQuestion, version: 'v1' | 'v1alpha1', answer: () => T): T => {
    let failed = true;
    try {
      admit();
      const answered = answer();
      failed = false;
      return answered;
    } finally {
      metrics.podResourcesAsked(question, version, failed);
    }
  };
  const list = () => ({ podResources: listAnswer(pods(), holdings) });
  const get = (name: string, namespace: string) => {
    const pod = pods().find(({ metadata }) => metadata.name === name && metadata.namespace === namespace);
    if (pod === undefined) throw new CallRefusal('Unknown', `pod ${name} in namespace ${namespace} not found`);
    return { podResources: podAnswer(pod, holdings) };
  };
  // v1alpha1 is the same, but that its messages have no processors and memory: a reader of theirs skips those.
  const olderList = { ...calls.list, path: '/v1alpha1.PodResourcesLister/List' };
  const server = new GrpcServer()
    .answer(calls.list, () => counted('list', 'v1', list))
    .answer(olderList, () => counted('list', 'v1alpha1', list))
    .answer(calls.getAllocatableResources, () => counted('get_allocatable', 'v1', () => stockAnswer(stock())))
    .answer(calls.get, ({ podName, podNamespace }) => counted('get', 'v1', () => get(podName, podNamespace)));
  await server.listen(socketPath);
  if (signal.aborted) server.close();
  signal.addEventListener('abort', () => server.close(), { once: true });
}

/** A bucket of calls that fills with time. */
function rateLimit(clock: Clock): () => void {
  let left = BURST;
  let atMs = clock.monotonicMs();
  return () => {
    const nowMs = clock.monotonicMs();
    left = Math.min(BURST, left + ((nowMs - atMs) * CALLS_A_SECOND) / 1000);
    atMs = nowMs;
    if (left < 1) throw new CallRefusal('ResourceExhausted', 'rejected by rate limit');
    left--;
  };
}
