/** What the kubelet's API tells of usage, by path. */
import type { Reports } from '../server/routes/reports.ts';
import type { DiskSampler } from './disk-sampler.ts';
import { exposition } from './exposition.ts';
import type { KubeletMetrics } from './kubelet-metrics.ts';
import type { NodeSampler } from './node-sampler.ts';
import { cadvisorMetrics } from './plan/cadvisor-metrics.ts';
import { resourceMetrics } from './plan/resource-metrics.ts';
import { summary } from './plan/summary.ts';
import { volumeMetrics } from './plan/volume-metrics.ts';

const PROMETHEUS_TEXT = 'text/plain; version=0.0.4; charset=utf-8';

export function reports(node: NodeSampler, disk: DiskSampler, metrics: KubeletMetrics): Reports {
  const text = (body: string) => ({ type: PROMETHEUS_TEXT, text: body });
  return {
    '/metrics': async () => text(metrics.render() + exposition(volumeMetrics(await disk.claims()))),
    '/metrics/probes': async () => text(metrics.renderProbes()),
    '/metrics/resource': async () => text(exposition(resourceMetrics(await node.sample()))),
    '/metrics/cadvisor': async () => {
      const sample = await node.sample();
      return text(exposition(cadvisorMetrics(sample, await node.details(sample))));
    },
    '/stats/summary': async query => {
      const light = query.get('only_cpu_and_memory') === 'true';
      const [used, disks] = await Promise.all([node.sample(), light ? undefined : disk.sample()]);
      const rest = disks === undefined ? undefined : { disk: disks, details: await node.details(used) };
      return { type: 'application/json', text: JSON.stringify(summary(used, rest), null, 1) };
    },
  };
}
