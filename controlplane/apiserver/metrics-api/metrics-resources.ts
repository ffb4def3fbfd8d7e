/**
 * metrics.k8s.io/v1beta1, nodes and pods: what `kubectl top` and autoscalers read, answered by this server itself out of what kubelets say.
 * Source: metrics-server `pkg/api`. Differs: no add-on is needed, and nothing is collected while nobody asks.
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import { formatDuration } from '../../../machinery/meta/duration.ts';
import { notFound } from '../../../machinery/meta/status-error.ts';
import { formatTime } from '../../../machinery/meta/time.ts';
import type { Node, Pod } from '../../../proto/api/core-v1.ts';
import type { KindInfo } from '../../../proto/api/kinds.ts';
import type { NodeMetrics, PodMetrics } from '../../../proto/api/metrics-metrics-v1beta1.ts';
import { column, nameColumn } from '../kinds/columns/column.ts';
import type { VirtualResource } from '../registry/resource-set.ts';
import type { ServedResource, Shown } from '../registry/served-resource.ts';
import type { Column } from '../registry/strategy.ts';
import { unstored } from '../registry/unstored.ts';
import { listParameters } from '../rest/list-parameters.ts';
import { representList, representObject } from '../rest/represent.ts';
import { selection } from '../rest/selection.ts';
import type { Exchange } from '../server/exchange.ts';
import type { Response } from '../server/request.ts';
import type { NodeUsages } from './node-usages.ts';
import { sumOfLists, usageBetween, usageList, type Usage } from './plan/usage.ts';

const GROUP = 'metrics.k8s.io';
const API_VERSION = `${GROUP}/v1beta1`;

export interface MetricsResourcesOptions {
  readonly usages: NodeUsages;
  readonly nodes: ServedResource;
  readonly pods: ServedResource;
}

export function metricsResources(options: MetricsResourcesOptions): VirtualResource[] {
  return [nodeMetrics(options), podMetrics(options)];
}

function nodeMetrics({ usages, nodes }: MetricsResourcesOptions): VirtualResource {
  return resourceOf<NodeMetrics>('NodeMetrics', 'nodes', nodes, async objects => {
    const found = await usages.of(objects.map(({ metadata }) => metadata.name ?? ''));
    return (objects as Node[]).flatMap(({ metadata }) => {
      const pair = found.get(metadata.name ?? '');
      const usage = pair?.newer.node === undefined ? undefined : usageBetween(pair.older.node, pair.newer.node);
      return usage === undefined ? [] : [{ ...header('NodeMetrics', metadata, usage), usage: usageList(usage) }];
    });
  });
}

function podMetrics({ usages, pods }: MetricsResourcesOptions): VirtualResource {
  return resourceOf<PodMetrics>('PodMetrics', 'pods', pods, async objects => {
    const running = (objects as Pod[]).filter(({ spec, status }) => spec.nodeName && status?.phase === 'Running');
    const found = await usages.of(running.map(({ spec }) => spec.nodeName ?? ''));
    return running.flatMap(({ metadata, spec }) => {
      const pair = found.get(spec.nodeName ?? '');
      const key = `${metadata.namespace ?? ''}/${metadata.name ?? ''}`;
      const before = pair?.older.pods.get(key);
      const measured = [...(pair?.newer.pods.get(key) ?? [])].flatMap(([name, point]) => {
        const usage = usageBetween(before?.get(name), point);
        return usage === undefined ? [] : [{ name, usage }];
      });
      const containers = measured.map(({ name, usage }) => ({ name, usage: usageList(usage) }));
      const [first] = measured;
      return first === undefined ? [] : [{ ...header('PodMetrics', metadata, first.usage), containers }];
    });
  });
}

type Metrics = NodeMetrics | PodMetrics;

function header(kind: string, { name, namespace, labels }: AnyObject['metadata'], { timeMs, windowMs }: Usage) {
  const timestamp = formatTime(timeMs);
  const metadata = {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    creationTimestamp: timestamp,
    ...(labels === undefined ? {} : { labels }),
  };
  return { kind, apiVersion: API_VERSION, metadata, timestamp, window: formatDuration(windowMs * 1e6) };
}

/** @param source the objects that metrics are of @param measure those of these objects that there are metrics of */
function resourceOf<M extends Metrics>(
  kind: string,
  resource: string,
  source: ServedResource,
  measure: (objects: readonly AnyObject[]) => Promise<M[]>,
): VirtualResource {
  const info: KindInfo = {
    group: GROUP,
    version: 'v1beta1',
    kind,
    resource,
    singular: '',
    namespaced: source.info.namespaced,
    shortNames: [],
    categories: [],
    typePackage: 'metrics/pkg/apis/metrics/v1beta1',
  };
  const shown: Shown = { info, strategy: { info, tracksGeneration: false, columns: COLUMNS } };
  const one = async (exchange: Exchange): Promise<Response> => {
    const { namespace, name } = exchange.info;
    const { object } = await source.storage.get(namespace, name);
    const [metrics] = await measure([object]);
    if (metrics === undefined)
      throw notFound({ group: GROUP, resource: kind.toLowerCase() }, namespace === '' ? name : `${namespace}/${name}`);
    return representObject(exchange, shown, unstored(metrics), 200);
  };
  const all = async (exchange: Exchange): Promise<Response> => {
    const { labelSelector, fieldSelector } = listParameters(exchange.request.query, false);
    const selected = selection(source, exchange.info.namespace, labelSelector, fieldSelector);
    const { items } = await source.storage.list(selected);
    const metrics = await measure(items.map(({ object }) => object));
    return representList(exchange, shown, { items: metrics.map(unstored), resourceVersion: '' });
  };
  return {
    info,
    verbs: ['get', 'list'],
    hasObjects: true,
    handle: exchange => (exchange.info.verb === 'list' ? all(exchange) : one(exchange)),
  };
}

const usageOf = (metrics: Metrics): { cpu: string; memory: string } =>
  sumOfLists('containers' in metrics ? metrics.containers.map(({ usage }) => usage) : [metrics.usage]);

const COLUMNS = [
  nameColumn,
  column<Metrics>('Cpu', 'Processor time used, in cores.', metrics => usageOf(metrics).cpu),
  column<Metrics>('Memory', 'Working set.', metrics => usageOf(metrics).memory),
  column<Metrics>('Window', 'The time over which processor time was measured.', ({ window }) => window),
] as unknown as Column<AnyObject>[];
