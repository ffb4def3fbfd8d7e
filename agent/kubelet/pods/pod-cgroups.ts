/**
 * The control groups of pods and of their classes. With systemd's driver the runtime makes the slices; then only their names are
 * decided here.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { CgroupLayout } from '../../host/cgroup-layout.ts';
import { describeUndead } from '../../host/undead.ts';
import { readHugepageSizes } from '../../host/hugepage-sizes.ts';
import { readCgroupLimits, type CgroupLimitsNow } from '../../host/cgroup-limits.ts';
import { readCgroupStats } from '../../host/cgroup-stats.ts';
import { ensureCgroup, listCgroups, removeCgroupTree, type CgroupLimits } from '../../host/cgroup-tree.ts';
import {
  cgroupFsPath,
  cgroupParent,
  podCgroup,
  podsCgroup,
  qosCgroup,
  type CgroupDriver,
  type CgroupPath,
} from '../plan/cgroup-names.ts';
import { podCgroupResources, podHugepages } from '../plan/linux-resources.ts';
import { uidOf } from '../plan/pod-spec.ts';
import type { PodWorkMetrics } from '../stats/pod-work-metrics.ts';
import { qosClassOf } from '../../../machinery/meta/pod-resources.ts';

export interface PodCgroupsOptions {
  readonly layout: CgroupLayout;
  readonly driver: CgroupDriver;
  /** Components of the group under which `kubepods` is made; none for the root. */
  readonly root: CgroupPath;
  /** Processes that a pod may have; below 1: no limit. */
  readonly podPidsLimit: number;
  /** Whether the pod has processors to itself: then no quota holds it back. */
  readonly ownsCpus: (pod: Pod) => boolean;
  readonly work: Pick<PodWorkMetrics, 'cgroup'>;
}

const CLASSES = ['Guaranteed', 'Burstable', 'BestEffort'] as const;
const MIN_SHARES = 2;

export class PodCgroups {
  private readonly options: PodCgroupsOptions;
  private pageSizes: readonly string[] = [];
  /** Called when a pod's group was made. */
  onPod: () => void = () => {};

  constructor(options: PodCgroupsOptions) {
    this.options = options;
  }

  /** Makes the groups of the classes. @throws the file system's error */
  async prepareNode(): Promise<void> {
    if (this.options.driver === 'systemd') return;
    this.pageSizes = await readHugepageSizes();
    for (const qos of CLASSES) {
      const limits = qos === 'BestEffort' ? { cpuShares: MIN_SHARES } : {};
      await ensureCgroup(this.options.layout, this.pathOf(qosCgroup(this.options.root, qos)), limits);
    }
  }

  /** Makes the pod's group with its limits. @returns what the sandbox is told */
  async ensurePod(pod: Pod): Promise<string> {
    const { layout, driver, root, podPidsLimit, work } = this.options;
    const path = podCgroup(root, qosClassOf(pod), uidOf(pod));
    if (driver === 'cgroupfs') {
      const limits = {
        ...this.limitsOf(pod, 'cpu'),
        ...this.limitsOf(pod, 'memory'),
        ...(podPidsLimit > 0 ? { pids: podPidsLimit } : {}),
        hugepages: podHugepages(pod, this.pageSizes),
      };
      await work.cgroup('create', () => ensureCgroup(layout, this.pathOf(path), limits));
    }
    this.onPod();
    return cgroupParent(path, driver);
  }

  /** What the pod's group is limited to and uses now; undefined where the runtime keeps the group. */
  async usageOf(pod: Pod): Promise<(CgroupLimitsNow & { readonly memoryUsageBytes: number }) | undefined> {
    if (this.options.driver === 'systemd') return undefined;
    const path = this.pathOfPod(pod);
    const [limits, stats] = await Promise.all([
      readCgroupLimits(this.options.layout, path),
      readCgroupStats(this.options.layout, path),
    ]);
    return { ...limits, memoryUsageBytes: stats?.memoryUsageBytes ?? 0 };
  }

  /** Gives the pod's group the limits that the pod has now. @throws the file system's error */
  async resizePod(pod: Pod, resource: 'cpu' | 'memory'): Promise<void> {
    const { driver, layout, work } = this.options;
    if (driver === 'systemd') return;
    await work.cgroup('update', () => ensureCgroup(layout, this.pathOfPod(pod), this.limitsOf(pod, resource)));
  }

  /** What the sandbox was told, without making anything. */
  parentOf(pod: Pod): string {
    return cgroupParent(podCgroup(this.options.root, qosClassOf(pod), uidOf(pod)), this.options.driver);
  }

  /** Of the pod's group, below the mount point. */
  pathOfPod(pod: Pod): string {
    return this.pathOf(podCgroup(this.options.root, qosClassOf(pod), uidOf(pod)));
  }

  /** Removes the pod's group, whichever class it had. @throws EBUSY while something runs in it */
  async removePod(uid: string): Promise<void> {
    const { layout, root, work } = this.options;
    await work.cgroup('destroy', async () => {
      for (const qos of CLASSES) await removeCgroupTree(layout, this.pathOf(podCgroup(root, qos, uid)));
    });
  }

  /** What runs in the pod's group, in words that name the processes, those that hang in the kernel first; '' for nothing. */
  async describeProcesses(uid: string): Promise<string> {
    const { layout, root } = this.options;
    const paths = CLASSES.map(qos => this.pathOf(podCgroup(root, qos, uid)));
    const texts = await Promise.all(paths.map(path => describeUndead(layout, path)));
    return texts.filter(text => text !== '').join('; ');
  }

  /** UIDs of pods that have a group. */
  async listPods(): Promise<string[]> {
    const uids = new Set<string>();
    for (const qos of CLASSES) {
      const names = await listCgroups(this.options.layout, this.pathOf(qosCgroup(this.options.root, qos)));
      for (const name of names) {
        const match = /(?:^|-)pod([0-9a-f_-]{8,})(?:\.slice)?$/.exec(name);
        if (match?.[1] !== undefined) uids.add(match[1].replaceAll('_', '-'));
      }
    }
    return [...uids];
  }

  /** The group of all pods, below the mount point. */
  get podsPath(): string {
    return this.pathOf(podsCgroup(this.options.root));
  }

  /** Of all burstable pods, likewise. */
  get burstablePath(): string {
    return this.pathOf(qosCgroup(this.options.root, 'Burstable'));
  }

  private pathOf(path: CgroupPath): string {
    return cgroupFsPath(path, this.options.driver);
  }

  private limitsOf(pod: Pod, resource: 'cpu' | 'memory'): CgroupLimits {
    const { cpuShares, cpuQuotaUs, cpuPeriodUs, memoryLimitBytes } = podCgroupResources(pod);
    if (resource === 'memory') return memoryLimitBytes > 0 ? { memoryBytes: memoryLimitBytes } : {};
    if (cpuQuotaUs === 0) return { cpuShares };
    const quota = { quotaMicros: cpuQuotaUs, periodMicros: cpuPeriodUs };
    return { cpuShares, cpuQuota: this.options.ownsCpus(pod) ? 'max' : quota };
  }
}
