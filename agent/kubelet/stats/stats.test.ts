import { describe, expect, test } from '@jest/globals';
import { busyNanos, parseMeminfo, taskCount } from '../../host/machine-usage.ts';
import { MetricsRegistry } from '../../../machinery/process/metrics.ts';
import { parseNetDev } from '../../host/network-counters.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { ContainerView, PodView } from '../plan/pod-view.ts';
import { CpuRates } from './cpu-rates.ts';
import { exposition } from './exposition.ts';
import { KubeletMetrics } from './kubelet-metrics.ts';
import { cadvisorMetrics } from './plan/cadvisor-metrics.ts';
import { operationType } from './plan/operation-type.ts';
import { resourceMetrics } from './plan/resource-metrics.ts';
import type { CgroupDetails } from '../../../machinery/meta/cgroup-details.ts';
import type { NodeSample } from './plan/sample.ts';
import { summary } from './plan/summary.ts';
import { PodWorkMetrics } from './pod-work-metrics.ts';
import { volumeMetrics } from './plan/volume-metrics.ts';

const AT_MS = 1_700_000_000_123;
const memory = {
  timeMs: AT_MS,
  usageBytes: 3_000,
  workingSetBytes: 2_000,
  rssBytes: 1_000,
  pageFaults: 7,
  majorPageFaults: 1,
  swapBytes: 512,
};
const eth0 = {
  name: 'eth0',
  rxBytes: 10,
  rxPackets: 2,
  rxErrors: 0,
  rxDropped: 1,
  txBytes: 20,
  txPackets: 3,
  txErrors: 4,
  txDropped: 0,
};

const NODE: NodeSample = {
  nodeName: 'n1',
  timeMs: AT_MS,
  bootedAtMs: AT_MS - 60_000,
  cpuCount: 2,
  memoryBytes: 10_000,
  swapBytes: 2_048,
  podsGroup: { cpu: undefined, memory, limitBytes: 9_000 },
  cpu: { timeMs: AT_MS, usageCoreNanoSeconds: 5_500_000_000, usageNanoCores: 250_000_000 },
  memory,
  processes: 12,
  maxProcesses: 32_768,
  interfaces: [eth0],
  complete: true,
  pods: [
    {
      namespace: 'shop',
      name: 'web-0',
      uid: 'u1',
      startedAtMs: AT_MS - 30_000,
      sandboxId: 'sand',
      cgroup: '/kubepods/podu1',
      cpu: { timeMs: AT_MS, usageCoreNanoSeconds: 2_000_000_000, usageNanoCores: undefined },
      memory,
      processes: 3,
      interfaces: [eth0],
      containers: [
        {
          name: 'app',
          id: 'c1',
          image: 'shop"s:1',
          startedAtMs: AT_MS - 20_000,
          cpu: { timeMs: AT_MS, usageCoreNanoSeconds: 1_500_000_000, usageNanoCores: 100_000_000 },
          memory,
          memoryLimitBytes: 5_000,
          writableLayer: { usedBytes: 100, inodesUsed: 4 },
        },
      ],
    },
  ],
};

const line = (total: number) => ({ avg10: 1.5, avg60: 0.25, avg300: 0, total });
const DETAILS: CgroupDetails = {
  cpuUserNanos: 2_500_000_000,
  cpuSystemNanos: undefined,
  throttling: { periods: 9, throttledPeriods: 3, throttledNanos: 5e8 },
  cacheBytes: 11,
  mappedFileBytes: undefined,
  swapBytes: 12,
  maxUsageBytes: 13,
  memoryFailures: 14,
  oomKills: 1,
  processes: 2,
  threads: 5,
  maxThreads: undefined,
  io: [{ device: '/dev/vda', major: '8', minor: '0', readBytes: 1, writeBytes: 2, reads: 3, writes: 4 }],
  pressure: { io: { some: line(2_000_000), full: line(1_000_000) } },
};

test('resourceMetrics() names what whoever scales reads, with the time of each measure', () => {
  const text = exposition(resourceMetrics(NODE));
  expect(text.split('\n')).toEqual(
    expect.arrayContaining([
      '# TYPE container_cpu_usage_seconds_total counter',
      `container_cpu_usage_seconds_total{container="app",namespace="shop",pod="web-0"} 1.5 ${AT_MS}`,
      `container_memory_working_set_bytes{container="app",namespace="shop",pod="web-0"} 2000 ${AT_MS}`,
      `node_cpu_usage_seconds_total 5.5 ${AT_MS}`,
      `node_memory_working_set_bytes 2000 ${AT_MS}`,
      `pod_cpu_usage_seconds_total{namespace="shop",pod="web-0"} 2 ${AT_MS}`,
      `pod_swap_usage_bytes{namespace="shop",pod="web-0"} 512 ${AT_MS}`,
      'resource_scrape_error 0',
      'scrape_error 0',
    ]),
  );
  expect(exposition(resourceMetrics({ ...NODE, complete: false }))).toContain('\nscrape_error 1\n');
});

test('cadvisorMetrics() tells of the machine, of pods as a whole and of containers', () => {
  const text = exposition(cadvisorMetrics(NODE, new Map([['/kubepods/podu1/c1', DETAILS]])));
  const container = 'container="app",id="/kubepods/podu1/c1",image="shop\\"s:1",name="c1",namespace="shop",pod="web-0"';
  expect(text).toContain(`container_cpu_usage_seconds_total{${container},cpu="total"} 1.5 ${AT_MS}\n`);
  expect(text).toContain(`container_spec_memory_limit_bytes{${container}} 5000\n`);
  expect(text).toMatch(/transmit_bytes_total\{[^}]*name="sand"[^}]*pod="web-0"[^}]*interface="eth0"\} 20 /);
  expect(text).toMatch(/container_memory_usage_bytes\{[^}]*id="\/"[^}]*\} 3000 /);
  expect(text).toContain(`container_cpu_cfs_throttled_periods_total{${container}} 3 ${AT_MS}\n`);
  expect(text).toContain(`container_cpu_cfs_throttled_seconds_total{${container}} 0.5 ${AT_MS}\n`);
  expect(text).toContain(`container_cpu_user_seconds_total{${container}} 2.5 ${AT_MS}\n`);
  expect(text).toContain(`container_fs_writes_bytes_total{${container},device="/dev/vda"} 2 ${AT_MS}\n`);
  expect(text).toMatch(/container_blkio_device_usage_total\{[^}]*major="8",minor="0",operation="Read"\} 1 /);
  expect(text).toContain(`container_pressure_io_waiting_seconds_total{${container}} 2 ${AT_MS}\n`);
  expect(text).toContain(`container_pressure_io_stalled_seconds_total{${container}} 1 ${AT_MS}\n`);
  expect(text).toContain(`container_oom_events_total{${container}} 1 ${AT_MS}\n`);
  expect(text).toContain(`container_processes{${container}} 2 ${AT_MS}\n`);
  expect(text).toContain(`container_threads{${container}} 5 ${AT_MS}\n`);
  expect(text).toContain(`container_threads_max{${container}} 0 ${AT_MS}\n`);
  expect(text).not.toContain('container_pressure_cpu');
  expect(text).toContain('machine_cpu_cores 2\n');
  expect(text).toContain('machine_swap_bytes 2048\n');
});

describe('summary()', () => {
  const disk = {
    node: { timeMs: AT_MS, capacityBytes: 1_000, availableBytes: 400, usedBytes: 600 },
    images: { timeMs: AT_MS, capacityBytes: 1_000, availableBytes: 400, usedBytes: 300 },
    containers: undefined,
    logs: new Map([['u1/app', { timeMs: AT_MS, usedBytes: 50, inodesUsed: 2 }]]),
    volumes: new Map([['u1', [{ name: 'scratch', timeMs: AT_MS, usedBytes: 5, inodesUsed: 1 }]]]),
    elsewhere: new Map([
      ['u1', [{ name: 'data', timeMs: AT_MS, usedBytes: 700, claim: { namespace: 'default', name: 'big' } }]],
    ]),
  };

  test('has the shape of stats.k8s.io/v1alpha1', () => {
    expect(summary(NODE, { disk, details: new Map([['/kubepods/podu1', DETAILS]]) })).toMatchObject({
      node: {
        nodeName: 'n1',
        cpu: { usageNanoCores: 250_000_000, usageCoreNanoSeconds: 5_500_000_000 },
        memory: { availableBytes: 8_000, workingSetBytes: 2_000, majorPageFaults: 1 },
        network: { name: 'eth0', txErrors: 4, interfaces: [{ rxBytes: 10 }] },
        fs: { capacityBytes: 1_000 },
        runtime: { imageFs: { usedBytes: 300 }, containerFs: { usedBytes: 300 } },
        swap: { swapUsageBytes: 512, swapAvailableBytes: 1_536 },
        systemContainers: [{ name: 'pods', memory: { workingSetBytes: 2_000, availableBytes: 7_000 } }],
        rlimit: { maxpid: 32_768, curproc: 12 },
      },
      pods: [
        {
          podRef: { name: 'web-0', namespace: 'shop', uid: 'u1' },
          containers: [
            {
              name: 'app',
              memory: { availableBytes: 3_000 },
              rootfs: { usedBytes: 100, inodesUsed: 4, capacityBytes: 1_000 },
              logs: { usedBytes: 50 },
            },
          ],
          volume: [
            { name: 'scratch', usedBytes: 5 },
            { name: 'data', usedBytes: 700, pvcRef: { namespace: 'default', name: 'big' } },
          ],
          'ephemeral-storage': { usedBytes: 155, inodesUsed: 7 },
          process_stats: { process_count: 3 },
          io: { psi: { some: { avg10: 1.5, total: 2_000_000 }, full: { total: 1_000_000 } } },
          swap: { swapUsageBytes: 512 },
        },
      ],
    });
  });

  test('has processors and memory alone for who wants no more', () => {
    const light = JSON.stringify(summary(NODE, undefined));
    expect(light).toContain('usageCoreNanoSeconds');
    expect(light).not.toMatch(/network|rootfs|ephemeral|rlimit/);
  });
});

test('CpuRates.observe() needs two samples, a second apart, of one counter', () => {
  const rates = new CpuRates();
  expect(rates.observe('a', 0, 1_000)).toBeUndefined();
  expect(rates.observe('a', 500, 9_000)).toBeUndefined();
  expect(rates.observe('a', 2_000, 5_001_000)).toBe(2_500_000);
  expect(rates.observe('a', 2_500, 9_001_000)).toBe(2_500_000);
  expect(rates.observe('a', 4_000, 10)).toBeUndefined();
  expect(rates.observe('b', 4_000, 10)).toBeUndefined();
  rates.keep(new Set(['b']));
  expect(rates.observe('a', 6_000, 20)).toBeUndefined();
  expect(rates.observe('b', 6_000, 20)).toBe(5);
});

test.each([
  ['RunPodSandbox', 'run_podsandbox'],
  ['ListPodSandboxStats', 'list_podsandbox_stats'],
  ['ContainerStatus', 'container_status'],
  ['UpdateContainerResources', 'update_container'],
  ['ImageFsInfo', 'image_fs_info'],
])('operationType() of %s is %s', (method, want) => {
  expect(operationType(method)).toBe(want);
});

describe('KubeletMetrics', () => {
  const view = (uid: string, state: 'created' | 'running'): PodView =>
    ({ uid, sandboxes: [{ ready: true }], containers: [{ state }] }) as unknown as PodView;
  const pod = (uid: string): Pod => ({ metadata: { name: 'web', namespace: 'shop', uid }, spec: { containers: [] } });
  const lines = (text: string): string[] => text.split('\n');

  test('counts calls of the runtime, and those that fail', () => {
    const metrics = new KubeletMetrics('n1', 0, () => [view('u1', 'running'), view('u2', 'created')]);
    metrics.runtimeCall('RunPodSandbox', 0.02, false);
    metrics.runtimeCall('RunPodSandbox', 0.02, true);
    expect(lines(metrics.render())).toEqual(
      expect.arrayContaining([
        'kubelet_runtime_operations_total{operation_type="run_podsandbox"} 2',
        'kubelet_runtime_operations_errors_total{operation_type="run_podsandbox"} 1',
        'kubelet_runtime_operations_duration_seconds_bucket{operation_type="run_podsandbox",le="0.03125"} 2',
        'kubelet_running_pods 2',
        'kubelet_running_containers{container_state="running"} 1',
        'kubelet_running_containers{container_state="created"} 1',
        'kubelet_node_name{node="n1"} 1',
      ]),
    );
  });

  test('measures the start of a pod once, and tells pulls and init containers from the rest', () => {
    const metrics = new KubeletMetrics('n1', 0, () => []);
    const starting: Pod = {
      metadata: { name: 'web', uid: 'u1', creationTimestamp: '1970-01-01T00:00:01Z' },
      spec: { initContainers: [{ name: 'init' }], containers: [{ name: 'app' }, { name: 'log' }] },
    };
    const ran = (name: string, startedAtMs: number, finishedAtMs = 0) =>
      ({ id: name, name, state: finishedAtMs > 0 ? 'exited' : 'running', startedAtMs, finishedAtMs }) as ContainerView;
    const shown = (...containers: ContainerView[]): PodView => ({ uid: 'u1', containers }) as unknown as PodView;
    metrics.podSeen(starting, 1_500);
    metrics.podChanged('u1', shown(ran('init', 2_000)), 2_000);
    metrics.podChanged('u1', shown(ran('init', 2_000, 3_000)), 3_000);
    metrics.imagePulled(5, 2, 'u1');
    metrics.podChanged('u1', shown(ran('init', 2_000, 3_000), ran('app', 5_500)), 5_500);
    for (const nowMs of [6_000, 9_000])
      metrics.podChanged('u1', shown(ran('init', 2_000, 3_000), ran('app', 5_500), ran('log', 6_000)), nowMs);
    metrics.podChanged('adopted', shown(ran('app', 9_000)), 9_000);
    expect(lines(metrics.render())).toEqual(
      expect.arrayContaining([
        'kubelet_pod_start_duration_seconds_sum 0.5',
        'kubelet_pod_start_duration_seconds_count 1',
        'kubelet_pod_start_total_duration_seconds_sum 5',
        'kubelet_pod_start_sli_duration_seconds_sum 2',
        'kubelet_pod_start_sli_duration_seconds_count 1',
        'kubelet_started_containers_total{container_type="init_container"} 1',
        'kubelet_started_containers_total{container_type="container"} 2',
      ]),
    );
  });

  test('counts probes of a pod until it goes', () => {
    const metrics = new KubeletMetrics('n1', 0, () => []);
    metrics.probed({ probe: 'liveness', result: 'failure', container: 'app', pod: pod('u1'), seconds: 0.02 });
    expect(metrics.renderProbes()).toContain(
      'prober_probe_total{probe_type="Liveness",result="failed",container="app",pod="web",namespace="shop",pod_uid="u1"} 1\n',
    );
    expect(metrics.renderProbes()).toContain(
      'prober_probe_duration_seconds_count{probe_type="Liveness",container="app",pod="web",namespace="shop"} 1\n',
    );
    metrics.podGone(pod('u1'));
    expect(metrics.renderProbes()).not.toContain('web');
  });
});

test('what /proc tells is read', () => {
  expect(parseMeminfo('MemTotal:  2 kB\nInactive(file):   1 kB\nHugePages_Total:   0\n')).toEqual(
    new Map([
      ['MemTotal', 2048],
      ['Inactive(file)', 1024],
    ]),
  );
  expect(busyNanos('cpu  1 2 3 400 500 6 7 8 9 10\ncpu0 1 2 3 4\n')).toBe(270_000_000n);
  expect(taskCount('0.20 0.18 0.12 1/80 11206\n')).toBe(80);
  const head = 'Inter-|   Receive\n face |bytes\n';
  expect(
    parseNetDev(`${head}    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n  eth0: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n`),
  ).toEqual([
    {
      name: 'eth0',
      rxBytes: 1,
      rxPackets: 2,
      rxErrors: 3,
      rxDropped: 4,
      txBytes: 5,
      txPackets: 6,
      txErrors: 7,
      txDropped: 8,
    },
  ]);
});

test('PodWorkMetrics counts what is done for pods, and what fails', async () => {
  const registry = new MetricsRegistry();
  const work = new PodWorkMetrics(registry);
  expect(await work.sandbox('runc', () => Promise.resolve('id'))).toBe('id');
  await expect(work.sandbox('', () => Promise.reject(new Error('no network')))).rejects.toThrow('no network');
  await work.cgroup('create', () => Promise.resolve());
  work.containerFailed('sidecar', 'ErrImagePull');
  work.preempted('memory');
  const text = registry.render();
  for (const line of [
    'kubelet_run_podsandbox_duration_seconds_count{runtime_handler="runc"} 1',
    'kubelet_run_podsandbox_errors_total{runtime_handler=""} 1',
    'kubelet_cgroup_manager_duration_seconds_count{operation_type="create"} 1',
    'kubelet_started_containers_errors_total{container_type="init_container",code="ErrImagePull"} 1',
    'kubelet_preemptions{preemption_signal="memory"} 1',
  ])
    expect(text).toContain(`${line}\n`);
  expect(text).not.toContain('kubelet_run_podsandbox_errors_total{runtime_handler="runc"}');
});

test('volumeMetrics() tells each claim once', () => {
  const volume = { name: 'data', timeMs: 0, capacityBytes: 10, usedBytes: 4 };
  const claim = { namespace: 'shop', name: 'disk' };
  const text = exposition(
    volumeMetrics([
      { ...volume, claim, abnormal: true },
      { ...volume, claim, abnormal: true },
      { ...volume, claim: undefined },
    ]),
  );
  expect(text.split('\n').filter(line => !line.startsWith('#'))).toEqual([
    'kubelet_volume_stats_capacity_bytes{namespace="shop",persistentvolumeclaim="disk"} 10',
    'kubelet_volume_stats_used_bytes{namespace="shop",persistentvolumeclaim="disk"} 4',
    'kubelet_volume_stats_health_status_abnormal{namespace="shop",persistentvolumeclaim="disk"} 1',
    '',
  ]);
});
