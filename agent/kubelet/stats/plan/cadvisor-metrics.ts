/**
 * `/metrics/cadvisor`: the families that dashboards of containers read. Pure. A pod as a whole has an empty `container`, as upstream's.
 * Source: cadvisor, `metrics/prometheus.go`; kubernetes `pkg/kubelet/server/server.go`, containerPrometheusLabelsFunc.
 */
import type { CgroupDetails, DeviceIo } from '../../../../machinery/meta/cgroup-details.ts';
import type { Family, Series } from './family.ts';
import {
  containerGroup,
  type ContainerSample,
  type CpuSample,
  type Details,
  type InterfaceSample,
  type MemorySample,
  type NodeSample,
  type PodSample,
} from './sample.ts';

/** One control group. */
interface Group {
  readonly labels: Series['labels'];
  readonly cpu: CpuSample | undefined;
  readonly memory: MemorySample | undefined;
  readonly startedAtMs: number;
  readonly processes: number | undefined;
  readonly details: CgroupDetails | undefined;
  readonly timeMs: number;
}

interface ContainerGroup extends Group {
  readonly sample: ContainerSample;
}

type Row = readonly [name: string, type: Family['type'], help: string, pick: (group: Group) => number | undefined];

const seconds = (nanos: number | undefined): number | undefined => (nanos === undefined ? undefined : nanos / 1e9);

/** One series a group. */
const OF_GROUPS: readonly Row[] = [
  [
    'cpu_cfs_periods_total',
    'counter',
    'Number of elapsed enforcement period intervals.',
    g => g.details?.throttling?.periods,
  ],
  [
    'cpu_cfs_throttled_periods_total',
    'counter',
    'Number of throttled period intervals.',
    g => g.details?.throttling?.throttledPeriods,
  ],
  [
    'cpu_cfs_throttled_seconds_total',
    'counter',
    'Total time duration the container has been throttled.',
    g => seconds(g.details?.throttling?.throttledNanos),
  ],
  [
    'cpu_system_seconds_total',
    'counter',
    'Cumulative system cpu time consumed in seconds.',
    g => seconds(g.details?.cpuSystemNanos),
  ],
  [
    'cpu_user_seconds_total',
    'counter',
    'Cumulative user cpu time consumed in seconds.',
    g => seconds(g.details?.cpuUserNanos),
  ],
  ['last_seen', 'gauge', 'Last time a container was seen by the exporter', g => Math.floor(g.timeMs / 1000)],
  ['memory_cache', 'gauge', 'Number of bytes of page cache memory.', g => g.details?.cacheBytes],
  ['memory_failcnt', 'counter', 'Number of memory usage hits limits', g => g.details?.memoryFailures],
  ['memory_mapped_file', 'gauge', 'Size of memory mapped files in bytes.', g => g.details?.mappedFileBytes],
  ['memory_max_usage_bytes', 'gauge', 'Maximum memory usage recorded in bytes', g => g.details?.maxUsageBytes],
  ['memory_rss', 'gauge', 'Size of RSS in bytes.', g => g.memory?.rssBytes],
  ['memory_swap', 'gauge', 'Container swap usage in bytes.', g => g.details?.swapBytes],
  [
    'memory_usage_bytes',
    'gauge',
    'Current memory usage in bytes, including all memory regardless of when it was accessed',
    g => g.memory?.usageBytes,
  ],
  ['memory_working_set_bytes', 'gauge', 'Current working set in bytes.', g => g.memory?.workingSetBytes],
  ['oom_events_total', 'counter', 'Count of out of memory events observed for the container', g => g.details?.oomKills],
  ...(['cpu', 'memory', 'io'] as const).flatMap((kind): Row[] => {
    const what = { cpu: 'CPU', memory: 'memory', io: 'IO' }[kind];
    const of = (share: 'some' | 'full') => (g: Group) => {
      const micros = g.details?.pressure[kind]?.[share].total;
      return micros === undefined ? undefined : micros / 1e6;
    };
    const help = (how: string): string =>
      `Total time duration tasks in the container have ${how} due to ${what} congestion.`;
    return [
      [`pressure_${kind}_stalled_seconds_total`, 'counter', help('been stalled'), of('full')],
      [`pressure_${kind}_waiting_seconds_total`, 'counter', help('waited'), of('some')],
    ];
  }),
  ['processes', 'gauge', 'Number of processes running inside the container.', g => g.processes ?? g.details?.processes],
  ['threads', 'gauge', 'Number of threads running inside the container', g => g.details?.threads],
  [
    'threads_max',
    'gauge',
    'Maximum number of threads allowed inside the container, infinity if value is zero',
    g => g.details && (g.details.maxThreads ?? 0),
  ],
  [
    'start_time_seconds',
    'gauge',
    'Start time of the container since unix epoch in seconds.',
    g => Math.floor(g.startedAtMs / 1000),
  ],
];

/** @param details of the groups that the sample names */
export function cadvisorMetrics(node: NodeSample, details: Details): Family[] {
  const containers = node.pods.flatMap(pod => pod.containers.map(container => groupIn(node, pod, container, details)));
  const groups: Group[] = [
    rootGroup(node, details),
    ...node.pods.map(pod => podGroup(node, pod, details)),
    ...containers,
  ];
  const families = [
    ...OF_GROUPS.map(([name, type, help, pick]) => family(`container_${name}`, type, help, each(groups, pick))),
    family(
      'container_cpu_usage_seconds_total',
      'counter',
      'Cumulative cpu time consumed in seconds.',
      groups.flatMap(({ labels, cpu }) =>
        cpu === undefined
          ? []
          : [{ labels: { ...labels, cpu: 'total' }, value: cpu.usageCoreNanoSeconds / 1e9, timeMs: cpu.timeMs }],
      ),
    ),
    family(
      'container_fs_usage_bytes',
      'gauge',
      'Number of bytes that are consumed by the container on this filesystem.',
      each(containers, ({ sample }) => sample.writableLayer?.usedBytes).map(withDevice),
    ),
    family('container_memory_failures_total', 'counter', 'Cumulative count of memory allocation failures.', [
      ...failures(groups, 'pgfault', memory => memory.pageFaults),
      ...failures(groups, 'pgmajfault', memory => memory.majorPageFaults),
    ]),
    ...ioFamilies(groups),
    ...networkFamilies(node, details),
    family(
      'container_spec_memory_limit_bytes',
      'gauge',
      'Memory limit for the container.',
      containers.map(({ labels, sample }) => ({ labels, value: sample.memoryLimitBytes ?? 0 })),
    ),
    ...machineFamilies(node),
  ];
  return families.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function family(name: string, type: Family['type'], help: string, series: Series[]): Family {
  return { name, help, type, series };
}

function each<G extends Group>(groups: readonly G[], pick: (group: G) => number | undefined): Series[] {
  return groups.flatMap(group => {
    const value = pick(group);
    return value === undefined ? [] : [{ labels: group.labels, value, timeMs: group.timeMs }];
  });
}

function withDevice(series: Series): Series {
  return { ...series, labels: { ...series.labels, device: '' } };
}

function machineFamilies(node: NodeSample): Family[] {
  const machine = (value: number): Series[] => [{ labels: {}, value }];
  const failed = machine(node.complete ? 0 : 1);
  return [
    family('machine_cpu_cores', 'gauge', 'Number of logical CPU cores.', machine(node.cpuCount)),
    family('machine_memory_bytes', 'gauge', 'Amount of memory installed on the machine.', machine(node.memoryBytes)),
    family('machine_swap_bytes', 'gauge', 'Amount of swap memory available on the machine.', machine(node.swapBytes)),
    family(
      'machine_scrape_error',
      'gauge',
      '1 if there was an error while getting machine metrics, 0 otherwise.',
      machine(0),
    ),
    family(
      'container_scrape_error',
      'gauge',
      '1 if there was an error while getting container metrics, 0 otherwise',
      failed,
    ),
  ];
}

const NOBODY = { container: '', image: '', name: '', namespace: '', pod: '' };

function rootGroup({ cpu, memory, bootedAtMs, processes, timeMs }: NodeSample, details: Details): Group {
  const labels = { ...NOBODY, id: '/' };
  return { labels, cpu, memory, startedAtMs: bootedAtMs, processes, details: details.get('/'), timeMs };
}

function podGroup({ timeMs }: NodeSample, pod: PodSample, details: Details): Group {
  const { cgroup, namespace, name, cpu, memory, startedAtMs } = pod;
  const labels = { ...NOBODY, id: cgroup, namespace, pod: name };
  return { labels, cpu, memory, startedAtMs, processes: undefined, details: details.get(cgroup), timeMs };
}

function groupIn({ timeMs }: NodeSample, pod: PodSample, sample: ContainerSample, details: Details): ContainerGroup {
  const { id, image, name: container, cpu, memory, startedAtMs } = sample;
  const group = containerGroup(pod, sample);
  const labels = { container, id: group, image, name: id, namespace: pod.namespace, pod: pod.name };
  return { labels, cpu, memory, startedAtMs, processes: undefined, details: details.get(group), timeMs, sample };
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

const IO: readonly (readonly [name: string, help: string, pick: (io: DeviceIo) => number])[] = [
  ['reads_bytes_total', 'Cumulative count of bytes read', io => io.readBytes],
  ['reads_total', 'Cumulative count of reads completed', io => io.reads],
  ['writes_bytes_total', 'Cumulative count of bytes written', io => io.writeBytes],
  ['writes_total', 'Cumulative count of writes completed', io => io.writes],
];

function ioFamilies(groups: readonly Group[]): Family[] {
  const each = (labelsOf: (io: DeviceIo) => Series['labels'], pick: (io: DeviceIo) => number): Series[] =>
    groups.flatMap(({ labels, details, timeMs }) =>
      (details?.io ?? []).map(io => ({ labels: { ...labels, ...labelsOf(io) }, value: pick(io), timeMs })),
    );
  const ofDevice = ({ device, major, minor }: DeviceIo, operation: string) => ({ device, major, minor, operation });
  return [
    ...IO.map(([name, help, pick]) =>
      family(
        `container_fs_${name}`,
        'counter',
        help,
        each(({ device }) => ({ device }), pick),
      ),
    ),
    family('container_blkio_device_usage_total', 'counter', 'Blkio Device bytes usage', [
      ...each(
        io => ofDevice(io, 'Read'),
        io => io.readBytes,
      ),
      ...each(
        io => ofDevice(io, 'Write'),
        io => io.writeBytes,
      ),
    ]),
  ];
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

function networkFamilies(node: NodeSample, details: Details): Family[] {
  const owners = [
    { labels: rootGroup(node, details).labels, interfaces: node.interfaces, timeMs: node.timeMs },
    ...node.pods.map(pod => ({
      labels: { ...podGroup(node, pod, details).labels, name: pod.sandboxId },
      interfaces: pod.interfaces,
      timeMs: pod.cpu?.timeMs ?? node.timeMs,
    })),
  ];
  return NETWORK.map(([suffix, what, pick]) =>
    family(
      `container_network_${suffix}`,
      'counter',
      `Cumulative count of ${what}`,
      owners.flatMap(({ labels, interfaces, timeMs }) =>
        interfaces.map(one => ({ labels: { ...labels, interface: one.name }, value: pick(one), timeMs })),
      ),
    ),
  );
}
