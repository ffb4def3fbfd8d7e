/**
 * `/metrics/resource`: processors and memory of node, pods and containers, for whoever scales by them. Pure.
 * Source: kubernetes `pkg/kubelet/metrics/collectors/resource_metrics.go`.
 */
import type { Family, Series } from './family.ts';
import type { CpuSample, MemorySample, NodeSample } from './sample.ts';

type Labels = Series['labels'];

export function resourceMetrics(node: NodeSample): Family[] {
  const pods = node.pods.map(pod => ({ ...pod, labels: { namespace: pod.namespace, pod: pod.name } }));
  const containers = node.pods.flatMap(({ namespace, name, containers: ofPod }) =>
    ofPod.map(container => ({ ...container, labels: { container: container.name, namespace, pod: name } })),
  );
  const failed = [{ labels: {}, value: node.complete ? 0 : 1 }];
  const cpuHelp = 'Cumulative cpu time consumed by the';
  const memoryHelp = 'Current working set of the';
  return [
    {
      name: 'container_cpu_usage_seconds_total',
      help: `[STABLE] ${cpuHelp} container in core-seconds`,
      type: 'counter',
      series: containers.flatMap(({ cpu, labels }) => cpuSeries(cpu, labels)),
    },
    {
      name: 'container_memory_working_set_bytes',
      help: `[STABLE] ${memoryHelp} container in bytes`,
      type: 'gauge',
      series: containers.flatMap(({ memory, labels }) => memorySeries(memory, labels)),
    },
    {
      name: 'container_start_time_seconds',
      help: '[STABLE] Start time of the container since unix epoch in seconds',
      type: 'gauge',
      series: containers.map(({ startedAtMs, labels }) => ({ labels, value: startedAtMs / 1000 })),
    },
    {
      name: 'node_cpu_usage_seconds_total',
      help: `[STABLE] ${cpuHelp} node in core-seconds`,
      type: 'counter',
      series: cpuSeries(node.cpu, {}),
    },
    {
      name: 'node_memory_working_set_bytes',
      help: `[STABLE] ${memoryHelp} node in bytes`,
      type: 'gauge',
      series: memorySeries(node.memory, {}),
    },
    {
      name: 'pod_cpu_usage_seconds_total',
      help: `[STABLE] ${cpuHelp} pod in core-seconds`,
      type: 'counter',
      series: pods.flatMap(({ cpu, labels }) => cpuSeries(cpu, labels)),
    },
    {
      name: 'pod_memory_working_set_bytes',
      help: `[STABLE] ${memoryHelp} pod in bytes`,
      type: 'gauge',
      series: pods.flatMap(({ memory, labels }) => memorySeries(memory, labels)),
    },
    {
      name: 'container_swap_usage_bytes',
      help: '[ALPHA] Current amount of the container swap usage in bytes. Reported only on non-windows systems',
      type: 'gauge',
      series: containers.flatMap(({ memory, labels }) => swapSeries(memory, labels)),
    },
    {
      name: 'node_swap_usage_bytes',
      help: '[ALPHA] Current swap usage of the node in bytes. Reported only on non-windows systems',
      type: 'gauge',
      series: swapSeries(node.memory, {}),
    },
    {
      name: 'pod_swap_usage_bytes',
      help: '[ALPHA] Current amount of the pod swap usage in bytes. Reported only on non-windows systems',
      type: 'gauge',
      series: pods.flatMap(({ memory, labels }) => swapSeries(memory, labels)),
    },
    {
      name: 'resource_scrape_error',
      help: '[STABLE] 1 if there was an error while getting container metrics, 0 otherwise',
      type: 'gauge',
      series: failed,
    },
    {
      name: 'scrape_error',
      help: '[ALPHA] 1 if there was an error while getting container metrics, 0 otherwise',
      type: 'gauge',
      series: failed,
    },
  ];
}

function cpuSeries(cpu: CpuSample | undefined, labels: Labels): Series[] {
  return cpu === undefined ? [] : [{ labels, value: cpu.usageCoreNanoSeconds / 1e9, timeMs: cpu.timeMs }];
}

function memorySeries(memory: MemorySample | undefined, labels: Labels): Series[] {
  const value = memory?.workingSetBytes;
  return memory === undefined || value === undefined ? [] : [{ labels, value, timeMs: memory.timeMs }];
}

function swapSeries(memory: MemorySample | undefined, labels: Labels): Series[] {
  const value = memory?.swapBytes;
  return memory === undefined || value === undefined ? [] : [{ labels, value, timeMs: memory.timeMs }];
}
