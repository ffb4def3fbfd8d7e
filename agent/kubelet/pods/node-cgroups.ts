/**
 * Holds the groups above pods to what the node has for them: all pods together to what is allocatable, the class of burstable pods to the sum
 * of their requests, and the system's own groups to what is reserved for them.
 *
 * - A limit that cannot be set now (more is in use than it allows) is tried again every minute: eviction brings usage down meanwhile.
 * - Shares of the class follow pods as they come and go; nothing is written while the sum stays.
 * Source: kubernetes 1.36 `pkg/kubelet/cm/node_container_manager_linux.go`, `qos_container_manager_linux.go`.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { EventSink, EventSubject } from '../../../machinery/client/event-recorder.ts';
import { podRequests, qosClassOf, type Amounts } from '../../../machinery/meta/pod-resources.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { CgroupLayout } from '../../host/cgroup-layout.ts';
import { cgroupExists, ensureCgroup, hasCgroupFile, type CgroupLimits } from '../../host/cgroup-tree.ts';
import { readMaxTasks } from '../../host/machine-usage.ts';
import type { KubeletConfiguration } from '../config/plan/kubelet-configuration.ts';
import { parseAmounts } from '../../../machinery/meta/pod-resources.ts';
import { cpuShares } from '../plan/linux-resources.ts';
import { podsShare, reservationProblem } from '../node/plan/node-allocatable.ts';
import { swapRefusal, type NodeSwap } from '../plan/swap.ts';
import { errorText } from '../../../machinery/meta/error-text.ts';

export interface NodeCgroupsOptions {
  readonly layout: CgroupLayout;
  readonly configuration: KubeletConfiguration;
  readonly cpuCount: number;
  readonly memoryBytes: number;
  readonly swapBytes: number;
  /** Below the mount point. */
  readonly podsPath: string;
  readonly burstablePath: string;
  /** Those whose requests count. */
  readonly activePods: () => readonly Pod[];
  readonly recorder: EventSink;
  readonly node: EventSubject;
  readonly clock: Clock;
  readonly logger: Logger;
}

const RETRY_MS = 60_000;
const FOLLOW_MS = 60_000;
/** Pods come in crowds. */
const SETTLE_MS = 1_000;

export class NodeCgroups {
  private readonly options: NodeCgroupsOptions;
  private burstableShares: number | undefined;
  private wakeUp: () => void = () => {};

  constructor(options: NodeCgroupsOptions) {
    this.options = options;
  }

  /** What all pods together may have of memory. */
  get podsMemoryBytes(): number {
    return this.share().get('memory')?.value() ?? this.options.memoryBytes;
  }

  /** What there is of swap for containers; undefined where control groups do not limit it. */
  swap: NodeSwap | undefined;

  /** Checks the settings against the machine, and finds out whether swap can be limited. Call once the group of all pods is there. @throws Error if the settings ask for what is not to be had */
  async prepare(): Promise<void> {
    const { layout, podsPath, configuration, memoryBytes, swapBytes, logger } = this.options;
    const behavior = configuration.memorySwap.swapBehavior;
    if (configuration.failSwapOn && swapBytes > 0)
      throw new Error('failSwapOn: swap is on; turn it off (swapoff -a), or set failSwapOn to false');
    const refusal = reservationProblem(this.capacity, configuration) ?? swapRefusal(behavior, layout.shape);
    if (refusal !== undefined) throw new Error(refusal);
    const limits = layout.shape === 'v2' && (await hasCgroupFile(layout, 'memory', podsPath, 'memory.swap.max'));
    if (limits) this.swap = { behavior, memoryBytes, swapBytes };
    else if (swapBytes > 0)
      logger.warn({ swapBytes }, 'Swap is on, and the control groups here do not keep pods out of it');
  }

  /** A pod has come. */
  wake(): void {
    this.wakeUp();
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.enforce(signal), this.followPods(signal)]);
  }

  private async enforce(signal: AbortSignal): Promise<void> {
    const { configuration, podsPath } = this.options;
    const { enforceNodeAllocatable: enforced, kubeReserved, systemReserved } = configuration;
    const maxTasks = await readMaxTasks();
    const ofPods = this.share(maxTasks === undefined ? {} : { pid: String(maxTasks) });
    const groups: Promise<void>[] = [
      this.hold(podsPath, limitsOf(ofPods), ['Updated Node Allocatable limit across pods', 'Node Allocatable'], signal),
    ];
    const reserve = (name: 'system' | 'kube', path: string, amounts: Record<string, string> | undefined): void => {
      const whole = enforced.includes(`${name}-reserved`);
      if (!whole && !enforced.includes(`${name}-reserved-compressible`)) return;
      const { cpuShares: shares, ...rest } = limitsOf(parseAmounts(amounts));
      const limits = { ...(shares === undefined ? {} : { cpuShares: shares }), ...(whole ? rest : {}) };
      const title = name === 'kube' ? 'Kube Reserved Cgroup' : 'System Reserved Cgroup';
      const done = `Updated limits on ${name} reserved cgroup ${path}`;
      groups.push(this.hold(path, limits, [done, title], signal, true));
    };
    reserve('system', configuration.systemReservedCgroup, systemReserved);
    reserve('kube', configuration.kubeReservedCgroup, kubeReserved);
    await Promise.all(groups);
  }

  /** Sets limits, again and again until it goes. */
  private async hold(
    path: string,
    limits: CgroupLimits,
    [done, what]: readonly [string, string],
    signal: AbortSignal,
    mustExist = false,
  ): Promise<void> {
    const { layout, recorder, node, clock, logger } = this.options;
    while (!signal.aborted) {
      try {
        if (mustExist && !(await cgroupExists(layout, path))) throw new Error(`"${path}" cgroup does not exist`);
        await ensureCgroup(layout, path, limits);
        recorder.event(node, 'Normal', 'NodeAllocatableEnforced', done);
        return;
      } catch (error) {
        const why = errorText(error);
        logger.warn({ err: error, cgroup: path }, 'Limits of a control group cannot be set yet');
        recorder.event(
          node,
          'Warning',
          'FailedNodeAllocatableEnforcement',
          `Failed to update ${what} Limits "${path}": ${why}`,
        );
        await clock.sleep(RETRY_MS, signal).catch(() => undefined);
      }
    }
  }

  private async followPods(signal: AbortSignal): Promise<void> {
    const { layout, burstablePath, activePods, clock, logger } = this.options;
    while (!signal.aborted) {
      const milliCpu = activePods()
        .filter(pod => qosClassOf(pod) === 'Burstable')
        .reduce((sum, pod) => sum + (podRequests(pod).get('cpu')?.milliValue() ?? 0), 0);
      const shares = cpuShares(milliCpu);
      if (shares !== this.burstableShares) {
        this.burstableShares = shares;
        await ensureCgroup(layout, burstablePath, { cpuShares: shares }).catch((error: unknown) => {
          this.burstableShares = undefined;
          logger.warn({ err: error }, 'Burstable pods do not have their share of the processors yet');
        });
      }
      const wake = new AbortController();
      this.wakeUp = () => wake.abort();
      await clock.sleep(FOLLOW_MS, AbortSignal.any([signal, wake.signal])).catch(() => undefined);
      await clock.sleep(SETTLE_MS, signal).catch(() => undefined);
    }
  }

  private get capacity(): { cpu: string; memory: string } {
    const { cpuCount, memoryBytes } = this.options;
    return { cpu: String(cpuCount), memory: String(memoryBytes) };
  }

  private share(more: Readonly<Record<string, string>> = {}): Amounts {
    return podsShare({ ...this.capacity, ...more }, this.options.configuration);
  }
}

function limitsOf(amounts: Amounts): CgroupLimits {
  const [cpu, memory, pids] = ['cpu', 'memory', 'pid'].map(name => amounts.get(name));
  return {
    ...(cpu === undefined ? {} : { cpuShares: cpuShares(cpu.milliValue()) }),
    ...(memory === undefined ? {} : { memoryBytes: memory.value() }),
    ...(pids === undefined ? {} : { pids: pids.value() }),
  };
}
