/** What pods use, as metrics.k8s.io says. */
import type { PodMetrics } from '../../../proto/api/metrics-metrics-v1beta1.ts';
import type { Client } from '../../../machinery/client/client.ts';
import type { Resource } from '../../../machinery/client/resource.ts';
import type { LabelSelector } from '../../../machinery/meta/label-selector.ts';

const podMetrics: Resource<PodMetrics> = {
  group: 'metrics.k8s.io',
  version: 'v1beta1',
  resource: 'pods',
  kind: 'PodMetrics',
  namespaced: true,
};

/** @returns why there are none, where there are none: that is told like a metric @throws AbortError */
export async function readPodMetrics(
  client: Client,
  namespace: string,
  selector: LabelSelector,
  signal: AbortSignal,
): Promise<PodMetrics[] | Error> {
  try {
    return (await client.of(podMetrics).list({ namespace, labelSelector: selector.toString(), signal })).items;
  } catch (error) {
    signal.throwIfAborted();
    return error as Error;
  }
}
