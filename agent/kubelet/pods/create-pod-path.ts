/** Puts together what takes a pod from its spec to running containers and back. */
import { readFile } from 'node:fs/promises';
import type { Lister } from '../../../machinery/client/informer.ts';
import type { EventSink } from '../../../machinery/client/event-recorder.ts';
import type { Client } from '../../../machinery/client/client.ts';
import { runtimeClasses } from '../../../machinery/client/resource.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { Pod, Service } from '../../../proto/api/core-v1.ts';
import type { MachineInfo } from '../../host/machine-info.ts';
import type { Allocations } from '../allocations/create-allocations.ts';
import type { KubeletConfiguration } from '../config/plan/kubelet-configuration.ts';
import { maxPodsOf, restartBackoffOf } from '../config/plan/policies.ts';
import type { OnPodAddresses } from '../kubelet-options.ts';
import type { ImageManager } from '../images/image-manager.ts';
import { HookRunner } from '../lifecycle/hook-runner.ts';
import { StopSignalSender } from '../lifecycle/stop-signal-sender.ts';
import type { PodObjects } from '../objects/pod-objects.ts';
import type { KubeletFolders } from '../plan/pod-paths.ts';
import { visibleServices } from '../plan/service-env.ts';
import type { NodeSwap } from '../plan/swap.ts';
import type { PodCache } from '../pleg/pod-cache.ts';
import type { Prober } from '../prober/prober.ts';
import type { ResourceManagers } from '../resources/resource-managers.ts';
import type { RuntimeLink } from '../runtime/runtime-link.ts';
import type { RuntimeService } from '../runtime/runtime-service.ts';
import type { PodWorkMetrics } from '../stats/pod-work-metrics.ts';
import { UserNamespaces } from '../userns/user-namespaces.ts';
import type { VolumeManager } from '../volumes/volume-manager.ts';
import { ContainerKiller } from './container-killer.ts';
import { ContainerStarter } from './container-starter.ts';
import { Gate } from './gate.ts';
import type { PodCgroups } from './pod-cgroups.ts';
import { PodSyncer } from './pod-syncer.ts';
import { PodTerminator } from './pod-terminator.ts';
import { SandboxStarter } from './sandbox-starter.ts';
import type { StageWatch } from './slow-stages.ts';
import type { StatusManager } from './status-manager.ts';
import { StatusPublisher } from './status-publisher.ts';

export interface PodPathOptions {
  readonly configuration: KubeletConfiguration;
  readonly client: Client;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly recorder: EventSink;
  readonly runtime: RuntimeService;
  readonly link: RuntimeLink;
  readonly folders: KubeletFolders;
  readonly nodeName: string;
  readonly nodeIPs: readonly string[];
  readonly machine: MachineInfo;
  readonly objects: PodObjects;
  readonly cache: PodCache;
  readonly stages: StageWatch;
  readonly work: PodWorkMetrics;
  readonly cgroups: PodCgroups;
  readonly volumes: VolumeManager;
  readonly images: ImageManager;
  readonly prober: Prober;
  readonly status: StatusManager;
  readonly allocations: Allocations;
  readonly resources: ResourceManagers;
  readonly allocatable: () => Record<string, string>;
  readonly nodeSwap: () => NodeSwap | undefined;
  readonly services: Lister<Service>;
  readonly onPodAddresses: OnPodAddresses | undefined;
  /** Default `SANDBOXES_AT_ONCE`. */
  readonly parallelSandboxes?: number | undefined;
  /** Runs the pod's worker again. */
  readonly wake: (uid: string) => void;
}

export interface PodPath {
  readonly syncer: PodSyncer;
  readonly terminator: PodTerminator;
  readonly publisher: StatusPublisher;
  readonly userNamespaces: UserNamespaces;
}

/** More at once only make each slower. */
const SANDBOXES_AT_ONCE = 6;
/** A sandbox usually takes a tenth of this: one that takes longer hangs, and must not hold back others. */
const SANDBOX_PATIENCE_MS = 3_000;

export function createPodPath(options: PodPathOptions): PodPath {
  const { configuration, client, clock, runtime, folders, cache, cgroups, machine, link, services } = options;
  const { volumes, images, prober, status, allocations, resources, nodeIPs, allocatable } = options;
  const { clusterDomain } = configuration;
  const clusterDns = { servers: configuration.clusterDNS ?? [], domain: clusterDomain };
  const hooks = new HookRunner(runtime, clock);
  const killer = new ContainerKiller({
    ...options,
    stopSignals: new StopSignalSender({ runtime, cache, clock }),
    hooks,
    processesOf: uid => cgroups.describeProcesses(uid),
  });
  const userNamespaces = new UserNamespaces({
    folders,
    idsPerPod: configuration.userNamespaces.idsPerPod,
    maxPods: maxPodsOf(configuration, machine.cpuCount),
    able: handler => link.abilities.userNamespaces.has(handler),
  });
  const sandboxes = new SandboxStarter({
    ...options,
    userNamespaces,
    clusterDns,
    resolvConfPath: configuration.resolvConf,
    runtimeHandler: async (pod, signal) => {
      const name = pod.spec.runtimeClassName ?? '';
      return name === '' ? '' : (await client.of(runtimeClasses).get({ name }, signal)).handler;
    },
    gate: new Gate({ limit: options.parallelSandboxes ?? SANDBOXES_AT_ONCE, patienceMs: SANDBOX_PATIENCE_MS, clock }),
  });
  const containers = new ContainerStarter({
    ...options,
    volumes,
    clusterDomain,
    hostIPs: nodeIPs,
    allocatable,
    nodeMemoryBytes: machine.memoryBytes,
    nodeSwap: options.nodeSwap,
    seccompDefault: configuration.seccompDefault,
    abilities: () => link.abilities,
    visibleServices: pod => visibleTo(pod, services),
    extras: (pod, container, aborting) => resources.extras(pod, container, aborting),
    nodeHosts: () => readFile('/etc/hosts', 'utf8').catch(() => ''),
  });
  const publisher = new StatusPublisher({
    ...options,
    allocations,
    resources,
    prober,
    status,
    hostIPs: nodeIPs,
    runtimeName: () => link.name,
  });
  const syncer = new PodSyncer({
    ...options,
    allocations,
    volumes,
    images,
    sandboxes,
    containers,
    killer,
    hooks,
    prober,
    publisher,
    backoff: restartBackoffOf(configuration),
  });
  const terminator = new PodTerminator({
    ...options,
    volumes,
    killer,
  });
  return { syncer, terminator, publisher, userNamespaces };
}

/** The services whose links the pod gets. */
function visibleTo(pod: Pod, services: Lister<Service>): Service[] {
  const own = services.list(pod.metadata.namespace);
  const master = services.get('default', 'kubernetes');
  return visibleServices(own, master === undefined ? [] : [master], pod.spec.enableServiceLinks ?? true);
}
