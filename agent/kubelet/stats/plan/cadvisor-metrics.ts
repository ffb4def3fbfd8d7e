/**
 * `/metrics/cadvisor`: the families that dashboards of containers read. Pure. A pod as a whole has an empty `container`, as upstream's.
 * Source: cadvisor, `metrics/prometheus.go`; kubernetes `pkg/kubelet/server/server.go`, containerPrometheusLabelsFunc.
 */
import type { Family, Series } from './family.ts';
import type {
  ContainerSample,
  CpuSample,
  InterfaceSample,
  MemorySample,
  NodeSample,
  PodSample,
  ThrottlingSample,
} from './sample.ts';

/** One control group. */
interface Group {
  readonly labels: Series['labels'];
  readonly cpu: CpuSample | undefined;
  readonly memory: MemorySample | undefined;
  readonly startedAtMs: number;
}

/** @param throttling by container id */
export function cadvisorMetrics(node: NodeSample, throttling: ReadonlyMap<string, ThrottlingSample>): Family[] {
  const groups = [rootGroup(node), ...node.pods.flatMap(pod => [podGroup(pod), ...pod.containers.map(groupIn(pod))])];
  const containers = node.pods.flatMap(pod => pod.containers.map(c => ({ ...c, ...groupIn(pod)(c) })));
  const gauge = (name: string, help: string, series: Series[]): Family => ({ name, help, type: 'gauge', series });
  const counter = (name: string, help: string, series: Series[]): Family => ({ name, help, type: 'counter', series });
  const ofMemory = (pick: (memory: MemorySample) => number | undefined): Series[] =>
    groups.flatMap(({ labels, memory }) => {
      const value = memory === undefined ? undefined : pick(memory);
      return memory === undefined || value === undefined ? [] : [{ labels, value, timeMs: memory.timeMs }];
    });
  const machine = (value: number): Series[] => [{ labels: {}, value }];
  const ofThrottling = (pick: (sample: ThrottlingSample) => number): Series[] =>
    containers.flatMap(({ id, labels }) => {
      const sample = throttling.get(id);
      return sample === undefined ? [] : [{ labels, value: pick(sample), timeMs: node.timeMs }];
    });
  return [
    counter(
      'container_cpu_cfs_periods_total',
      'Number of elapsed enforcement period intervals.',
      ofThrottling(sample => sample.periods),
    ),
    counter(
      'container_cpu_cfs_throttled_periods_total',
      'Number of throttled period intervals.',
      ofThrottling(sample => sample.throttledPeriods),
    ),
    counter(
      'container_cpu_cfs_throttled_seconds_total',
      'Total time duration the container has been throttled.',
      ofThrottling(sample => sample.throttledNanos / 1e9),
    ),
    counter(
      'container_cpu_usage_seconds_total',
      'Cumulative cpu time consumed in seconds.',
      groups.flatMap(({ labels, cpu }) =>
        cpu === undefined
          ? []
          : [{ labels: { ...labels, cpu: 'total' }, value: cpu.usageCoreNanoSeconds / 1e9, timeMs: cpu.timeMs }],
      ),
    ),
    gauge(
      'container_fs_usage_bytes',
      'Number of bytes that are consumed by the container on this filesystem.',
      containers.flatMap(({ labels, writableLayer, cpu }) =>
        writableLayer === undefined
          ? []
          : [{ labels: { ...labels, device: '' }, value: writableLayer.usedBytes, timeMs: cpu?.timeMs }],
      ),
    ),
    gauge(
      'container_last_seen',
      'Last time a container was seen by the exporter',
      groups.map(({ labels }) => ({ labels, value: Math.floor(node.timeMs / 1000), timeMs: node.timeMs })),
    ),
    counter('container_memory_failures_total', 'Cumulative count of memory allocation failures.', [
      ...failures(groups, 'pgfault', memory => memory.pageFaults),
      ...failures(groups, 'pgmajfault', memory => memory.majorPageFaults),
    ]),
    gauge(
      'container_memory_rss',
      'Size of RSS in bytes.',
      ofMemory(memory => memory.rssBytes),
    ),
    gauge(
      'container_memory_usage_bytes',
      'Current memory usage in bytes, including all memory regardless of when it was accessed',
      ofMemory(memory => memory.usageBytes),
    ),
    gauge(
      'container_memory_working_set_bytes',
      'Current working set in bytes.',
      ofMemory(m => m.workingSetBytes),
    ),
    ...networkFamilies(node),
    gauge('container_processes', 'Number of processes running inside the container.', [
      ...(node.processes === undefined ? [] : [{ labels: rootGroup(node).labels, value: node.processes }]),
      ...node.pods.flatMap(pod =>
        pod.processes === undefined ? [] : [{ labels: podGroup(pod).labels, value: pod.processes }],
      ),
    ]),
    gauge(
      'container_spec_memory_limit_bytes',
      'Memory limit for the container.',
      containers.map(({ labels, memoryLimitBytes = 0 }) => ({ labels, value: memoryLimitBytes })),
    ),
    gauge(
      'container_start_time_seconds',
      'Start time of the container since unix epoch in seconds.',
      groups.map(({ labels, startedAtMs }) => ({ labels, value: Math.floor(startedAtMs / 1000) })),
    ),
    gauge('machine_cpu_cores', 'Number of logical CPU cores.', machine(node.cpuCount)),
    gauge('machine_memory_bytes', 'Amount of memory installed on the machine.', machine(node.memoryBytes)),
    gauge('machine_scrape_error', '1 if there was an error while getting machine metrics, 0 otherwise.', machine(0)),
    gauge(
      'container_scrape_error',
      '1 if there was an error while getting container metrics, 0 otherwise',
      machine(node.complete ? 0 : 1),
    ),
  ];
}

const NOBODY = { container: '', image: '', name: '', namespace: '', pod: '' };

function rootGroup({ cpu, memory, bootedAtMs }: NodeSample): Group {
  return { labels: { ...NOBODY, id: '/' }, cpu, memory, startedAtMs: bootedAtMs };
}

function podGroup({ cgroup, namespace, name, cpu, memory, startedAtMs }: PodSample): Group {
  return { labels: { ...NOBODY, id: cgroup, namespace, pod: name }, cpu, memory, startedAtMs };
}

function groupIn({ cgroup, namespace, name: pod }: PodSample): (container: ContainerSample) => Group {
  return ({ id, image, name: container, cpu, memory, startedAtMs }) => ({
    labels: { container, id: `${cgroup}/${id}`, image, name: id, namespace, pod },
    cpu,
    memory,
    startedAtMs,
  });
}

function failures(
  groups: readonly Group[],
  failureType: string,
  pick: (memory: MemorySample) => number | undefined,
): Series[] {
  return groups.flatMap(({ labels, memory }) => {
    const value = memory === undefined ? undefined : pick(memory);
    return memory === undefined || value === undefined
      ? []
      : [{ labels: { ...labels, failure_type: failureType, scope: 'hierarchy' }, value, timeMs: memory.timeMs }];
  });
}

const NETWORK: readonly (readonly [suffix: string, what: string, pick: (i: InterfaceSample) => number])[] = [
  ['receive_bytes_total', 'bytes received', i => i.rxBytes],
  ['receive_errors_total', 'errors encountered while receiving', i => i.rxErrors],
  ['receive_packets_dropped_total', 'packets dropped while receiving', i => i.rxDropped],
  ['receive_packets_total', 'packets received', i => i.rxPackets],
  ['transmit_bytes_total', 'bytes transmitted', i => i.txBytes],
  ['transmit_errors_total', 'errors encountered while transmitting', i => i.txErrors],
  ['transmit_packets_dropped_total', 'packets dropped while transmitting', i => i.txDropped],
  ['transmit_packets_total', 'packets transmitted', i => i.txPackets],
];

function networkFamilies(node: NodeSample): Family[] {
  const owners = [
    { labels: rootGroup(node).labels, interfaces: node.interfaces, timeMs: node.timeMs },
    ...node.pods.map(pod => ({
      labels: { ...podGroup(pod).labels, name: pod.sandboxId },
      interfaces: pod.interfaces,
      timeMs: pod.cpu?.timeMs ?? node.timeMs,
    })),
  ];
  return NETWORK.map(([suffix, what, pick]) => ({
    name: `container_network_${suffix}`,
    help: `Cumulative count of ${what}`,
    type: 'counter',
    series: owners.flatMap(({ labels, interfaces, timeMs }) =>
      interfaces.map(one => ({ labels: { ...labels, interface: one.name }, value: pick(one), timeMs })),
    ),
  }));
}
