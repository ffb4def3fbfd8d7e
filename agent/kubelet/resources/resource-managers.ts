/**
 * Processors, memory and devices that are given to single containers: one door for the pod's path through the kubelet.
 *
 * A node without plugins and with the policies `none` keeps two sockets open and does nothing else.
 */
import { join } from 'node:path';
import type { Container, Node, Pod, ResourceList, ResourceStatus } from '../../../proto/api/core-v1.ts';
import { EMPTY_CPU_SET, formatCpuSet } from '../../../machinery/meta/cpu-set.ts';
import { errorText } from '../../../machinery/meta/error-text.ts';
import type { MachineTopology } from '../../../machinery/meta/machine-topology.ts';
import { aborted } from '../../../machinery/process/aborted.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { MetricsRegistry } from '../../../machinery/process/metrics.ts';
import { durationMs, type KubeletConfiguration } from '../config/plan/kubelet-configuration.ts';
import { ConfigError } from '../plan/environment.ts';
import { uidOf } from '../plan/pod-spec.ts';
import type { PodVerdict } from '../plan/pod-status.ts';
import type { PodCache } from '../pleg/pod-cache.ts';
import type { PluginHandler } from '../plugins/plugin-handler.ts';
import type { StageWatch } from '../pods/slow-stages.ts';
import type { RuntimeService } from '../runtime/runtime-service.ts';
import { CheckpointFile } from './checkpoint-file.ts';
import { CpuManager } from './cpu/cpu-manager.ts';
import { CpusetKeeper } from './cpu/cpuset-keeper.ts';
import { DeviceManager } from './devices/device-manager.ts';
import { checkPlugin, serveRegistration } from './devices/registration-server.ts';
import { MemoryManager } from './memory/memory-manager.ts';
import { readCpuCheckpoint } from './plan/cpu-checkpoint.ts';
import { exclusiveCpus } from './plan/cpu-static.ts';
import { nodesOf } from './plan/numa-mask.ts';
import { givenContainers } from './plan/pod-parts.ts';
import type { Stock } from './plan/pod-resources-answer.ts';
import { cpuPolicyOf, memoryPolicyOf, topologyPolicyOf } from './plan/resource-settings.ts';
import type { ContainerExtras } from './plan/with-extras.ts';
import { servePodResources } from './pod-resources/pod-resources-server.ts';
import type { ResourceGiver } from './resource-giver.ts';
import { ResourceMetrics } from './resource-metrics.ts';
import { StateConflictError } from './state-conflict.ts';
import { TopologyManager } from './topology/topology-manager.ts';

export interface ResourceManagersOptions {
  /** The kubelet's folder; state files and sockets lie in it where upstream has them. */
  readonly root: string;
  readonly configuration: KubeletConfiguration;
  readonly readMachine: () => Promise<MachineTopology>;
  /** What the node keeps from pods of memory and huge pages in all. */
  readonly reserved: () => ResourceList;
  readonly runtime: RuntimeService;
  readonly cache: PodCache;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stages: StageWatch;
  /** Where they count what they do. */
  readonly metrics: MetricsRegistry;
  /** Pods of this node. */
  readonly pods: () => readonly Pod[];
  /** Why the runtime cannot put CDI devices into containers; undefined if it can. */
  readonly cdiProblem: () => string | undefined;
  /** Capacity or allocatable of the node changed. */
  readonly onAmounts: () => void;
  /** Runs the pod's worker again. */
  readonly wake: (uid: string) => void;
}

export class ResourceManagers {
  /** For plugins that are found in `plugins_registry`. */
  readonly pluginHandler: PluginHandler;
  private readonly options: ResourceManagersOptions;
  private readonly metrics: ResourceMetrics;
  private readonly devices: DeviceManager;
  private machine: MachineTopology = { cpus: [], nodes: [] };
  private cpus: CpuManager | undefined;
  private keeper: CpusetKeeper | undefined;
  private memory: MemoryManager | undefined;
  private topology: TopologyManager;

  constructor(options: ResourceManagersOptions) {
    this.options = options;
    const { root, clock, logger, stages, onAmounts, wake } = options;
    this.metrics = new ResourceMetrics(options.metrics);
    this.devices = new DeviceManager({
      checkpointPath: join(root, 'device-plugins', 'kubelet_internal_checkpoint'),
      clock,
      logger,
      stages,
      metrics: this.metrics,
      machine: () => this.machine.nodes,
      onAmounts,
      wake,
    });
    this.topology = this.topologyManager([]);
    this.pluginHandler = {
      register: async ({ name, endpoint, versions }) => {
        checkPlugin(name, versions);
        this.devices.registry.connect(name, endpoint, undefined);
      },
      deregister: async ({ name, endpoint }) => this.devices.registry.disconnect(name, endpoint),
    };
  }

  /**
   * Finds out what the machine has and who had what of it before. Before any pod is looked at.
   * @throws ResourceSettingsError, StateConflictError
   */
  async restore(): Promise<void> {
    const { root, configuration, logger, readMachine } = this.options;
    this.machine = await readMachine();
    const cpuFile = new CheckpointFile(join(root, 'cpu_manager_state'));
    const cpuPolicy = cpuPolicyOf(configuration, this.machine);
    if (cpuPolicy !== undefined) {
      const onShared = (): void => this.keeper?.update();
      const cpus = new CpuManager({ policy: cpuPolicy, file: cpuFile, logger, metrics: this.metrics, onShared });
      this.cpus = cpus;
      await cpus.restore();
      this.keeper = this.cpusetKeeper(cpus);
      this.metrics.followCpus(() => ({ shared: cpus.sharedCpus.length, exclusive: cpus.ownedCount }));
    } else await this.checkUnused(cpuFile);
    const memoryPolicy = memoryPolicyOf(configuration, this.machine, this.options.reserved());
    if (memoryPolicy !== undefined) {
      const file = new CheckpointFile(join(root, 'memory_manager_state'));
      this.memory = new MemoryManager({ policy: memoryPolicy, file, logger, metrics: this.metrics });
      await this.memory.restore();
    }
    await this.devices.restore();
    this.topology = this.topologyManager([this.cpus, this.memory, this.devices].filter(giver => giver !== undefined));
  }

  /** Opens the sockets; returns once `signal` aborts. A socket that cannot be had is told of, and stops nothing else. */
  async run(signal: AbortSignal): Promise<void> {
    const { root, cache } = this.options;
    const { registry } = this.devices;
    const registration = serveRegistration(
      join(root, 'device-plugins'),
      ({ resource, socketPath, options }) => registry.connect(resource, socketPath, options),
      signal,
    );
    await Promise.all([
      this.orWithout(registration, 'Device plugins cannot register'),
      this.orWithout(this.servePodResources(signal), 'Programs of this node cannot ask which pod has what'),
    ]);
    const { keeper } = this;
    if (keeper !== undefined) {
      cache.onChange(uid => {
        const view = cache.view(uid);
        if (view !== undefined && !signal.aborted) keeper.updatePod(view);
      });
      keeper.update();
    }
    await aborted(signal);
    keeper?.stop();
    registry.stop();
  }

  /** Gives the pod what it asks for; what it has already it keeps. @returns why not. @throws the signal's reason */
  admit(pod: Pod, signal: AbortSignal): Promise<PodVerdict | undefined> {
    return this.topology.admit(pod, signal);
  }

  /** The pod has ended: what it had is free. */
  release(uid: string): void {
    this.topology.release(uid);
    this.keeper?.forget(uid);
  }

  /** Once all pods are known: takes back what the others have. */
  releaseAllBut(isKnown: (uid: string) => boolean): void {
    this.topology.releaseAllBut(isKnown);
  }

  /** @throws ConfigError that says why the container cannot be started now, or the signal's reason */
  async extras(pod: Pod, container: Container, signal: AbortSignal): Promise<ContainerExtras> {
    const uid = uidOf(pod);
    const devices = await this.devices.extras(pod, container, signal).catch((error: unknown) => {
      signal.throwIfAborted();
      throw new ConfigError(errorText(error));
    });
    const cdiProblem = devices.cdiDevices.length === 0 ? undefined : this.options.cdiProblem();
    if (cdiProblem !== undefined) {
      const names = devices.cdiDevices.map(device => device.name).join(', ');
      throw new ConfigError(`the container is to have CDI devices (${names}), and ${cdiProblem}`);
    }
    const own = this.cpus?.ownCpus(uid, container.name);
    const cpusetCpus = this.cpus === undefined ? '' : formatCpuSet(own ?? this.cpus.sharedCpus);
    const nodes = this.memory?.nodesOf(uid, container.name);
    this.keeper?.made(uid, container.name, cpusetCpus);
    const cpusetMems = nodes === undefined ? '' : formatCpuSet(nodesOf(nodes));
    return { ...devices, cpusetCpus, cpusetMems, ownsCpus: own !== undefined };
  }

  /** Whether a container of the pod has processors to itself: then no quota may hold the pod back. */
  ownsCpus(pod: Pod): boolean {
    return this.cpus !== undefined && givenContainers(pod).some(container => exclusiveCpus(pod, container) > 0);
  }

  hasOwnCpus(uid: string, container: string): boolean {
    return this.cpus?.ownCpus(uid, container) !== undefined;
  }

  /** For `allocatedResourcesStatus`. */
  statusOf(uid: string, container: string): ResourceStatus[] {
    return this.devices.statusOf(uid, container);
  }

  /** Resources of plugins for the node's status. */
  amounts(): { readonly capacity: ResourceList; readonly allocatable: ResourceList } {
    return this.devices.registry.amounts();
  }

  /** The node without what plugins give: `admit()` counts that itself. */
  withoutPlugins(node: Node): Node {
    const allocatable = Object.entries(node.status?.allocatable ?? {});
    const others = allocatable.filter(([name]) => !name.includes('/') || !this.devices.manages(name));
    if (others.length === allocatable.length) return node;
    return { ...node, status: { ...node.status, allocatable: Object.fromEntries(others) } };
  }

  private servePodResources(signal: AbortSignal): Promise<void> {
    const { root, clock, pods } = this.options;
    const holdings = {
      devicesOf: (uid: string, container: string) => this.devices.grantsOf(uid, container),
      cpusOf: (uid: string, container: string) => this.cpus?.ownCpus(uid, container) ?? EMPTY_CPU_SET,
      memoryOf: (uid: string, container: string) => this.memory?.blocksOf(uid, container) ?? [],
    };
    const stock = (): Stock => ({
      devices: this.devices.registry.resources(),
      cpus: this.cpus?.allocatable ?? EMPTY_CPU_SET,
      memory: this.memory?.machine ?? new Map(),
    });
    const socketPath = join(root, 'pod-resources', 'kubelet.sock');
    return servePodResources({ socketPath, clock, metrics: this.metrics, pods, holdings, stock }, signal);
  }

  private async orWithout(serving: Promise<void>, otherwise: string): Promise<void> {
    await serving.catch((error: unknown) => this.options.logger.warn({ err: error }, otherwise));
  }

  private topologyManager(givers: readonly ResourceGiver[]): TopologyManager {
    const { machine } = this;
    const policy = topologyPolicyOf(this.options.configuration, machine);
    return new TopologyManager({ policy, nodes: machine.nodes, givers, metrics: this.metrics });
  }

  private cpusetKeeper(cpus: CpuManager): CpusetKeeper {
    const { runtime, cache, clock, logger, configuration } = this.options;
    return new CpusetKeeper({
      runtime,
      views: () => cache.views(),
      cpusOf: (uid, container) => cpus.ownCpus(uid, container) ?? cpus.sharedCpus,
      clock,
      logger,
      retryMs: Math.max(1_000, durationMs(configuration.cpuManagerReconcilePeriod)),
    });
  }

  /** Under policy `none` nobody may have processors to himself from before. @throws StateConflictError */
  private async checkUnused(file: CheckpointFile): Promise<void> {
    const text = await file.read();
    if (text === undefined) return;
    const { policyName, state } = StateConflictError.reading(file.path, 'CPU', () => readCpuCheckpoint(text));
    if (state.assigned.size > 0) StateConflictError.checkPolicy(file.path, 'CPU', 'none', policyName);
    await file.remove();
  }
}
