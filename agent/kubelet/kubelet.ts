/**
 * The kubelet: makes the containers of a node be what the API says, and tells the API what they are.
 *
 * - Starts by adopting: containers that run are found by their labels and left alone.
 * - Stopping it stops no container.
 * - An API that is away stops nothing: pods run on, crashed ones restart, statuses are written later.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { readMachineTopology } from '../host/machine-topology.ts';
import { isAppArmorEnabled } from '../host/app-armor.ts';
import type { Node, Pod, Service } from '../../proto/api/core-v1.ts';
import { nodes, pods, runtimeClasses, services } from '../../machinery/client/resource.ts';
import { subjectOf } from '../../machinery/client/event-recorder.ts';
import { WorkQueue } from '../../machinery/client/work-queue.ts';
import type { Component } from '../../machinery/process/component.ts';
import { Logind } from '../host/logind.ts';
import { durationMs } from './config/plan/kubelet-configuration.ts';
import { logRotationOf, maxPodsOf, restartBackoffOf } from './config/plan/policies.ts';
import { createAllocations } from './allocations/create-allocations.ts';
import { createImages } from './images/create-images.ts';
import type { KubeletOptions } from './kubelet-options.ts';
import { HookRunner } from './lifecycle/hook-runner.ts';
import { StopSignalSender } from './lifecycle/stop-signal-sender.ts';
import { GracefulShutdown } from './node/graceful-shutdown.ts';
import { createHousekeeping } from './node/housekeeping.ts';
import { LogRotator } from './node/log-rotator.ts';
import { NodeLease } from './node/node-lease.ts';
import { createRegistrar } from './node/create-registrar.ts';
import type { NodeRegistrar } from './node/node-registrar.ts';
import { createPodSources } from './sources/create-pod-sources.ts';
import { WatchedObjects } from './objects/watched-objects.ts';
import { admitPod } from './plan/node-admission.ts';
import { nodeAllocatable } from './plan/node-allocatable.ts';
import { machineAmounts } from './plan/node-object.ts';
import { resizeRulesOf } from './plan/resize-decision.ts';
import { podsFolder } from './plan/pod-paths.ts';
import { uidOf } from './plan/pod-spec.ts';
import { unsupportedByRuntime, type RuntimeAbilities } from './plan/unsupported.ts';
import { visibleServices } from './plan/service-env.ts';
import { PodCache } from './pleg/pod-cache.ts';
import { abandonOnAbort } from './pods/abandon.ts';
import { ContainerKiller } from './pods/container-killer.ts';
import { ContainerStarter } from './pods/container-starter.ts';
import { Gate } from './pods/gate.ts';
import { NodePodAccess } from './pods/node-pod-access.ts';
import { PodCgroups } from './pods/pod-cgroups.ts';
import { PodSyncer } from './pods/pod-syncer.ts';
import { PodTerminator } from './pods/pod-terminator.ts';
import { PodWorkers } from './pods/pod-workers.ts';
import { SandboxStarter } from './pods/sandbox-starter.ts';
import { SlowStages } from './pods/slow-stages.ts';
import { StatusManager } from './pods/status-manager.ts';
import { StatusPublisher } from './pods/status-publisher.ts';
import { PluginWatcher } from './plugins/plugin-watcher.ts';
import { ProbeRunner } from './prober/probe-runner.ts';
import { Prober } from './prober/prober.ts';
import { cdiRefused } from './resources/plan/with-extras.ts';
import { memoryKept } from './resources/plan/resource-settings.ts';
import { ResourceManagers } from './resources/resource-managers.ts';
import { isUnavailable } from './runtime/runtime-error.ts';
import type { RuntimeService, RuntimeVersion } from './runtime/runtime-service.ts';
import type { Reports } from './server/routes/reports.ts';
import type { PodAccess } from './server/pod-access.ts';
import { queueMetrics } from './stats/client-metrics.ts';
import { KubeletMetrics } from './stats/kubelet-metrics.ts';
import { reports } from './stats/reports.ts';
import { createVolumeManager } from './volumes/create-volume-manager.ts';
import { createCsi } from './volumes/csi/create-csi.ts';
import { UserNamespaces } from './userns/user-namespaces.ts';
import type { VolumeManager } from './volumes/volume-manager.ts';

/** The running part, and what the kubelet's server needs of it. */
export interface Kubelet extends Component {
  readonly access: PodAccess;
  readonly volumes: VolumeManager;
  readonly metrics: KubeletMetrics;
  /** What the server tells of usage. */
  readonly reports: Reports;
  /** Undefined when the node is healthy, else what ails it. */
  health(): string | undefined;
}

const POD_RETRY_MS = { baseDelayMs: 500, maxDelayMs: 20_000 };
/** A sandbox usually takes a tenth of this: one that takes longer hangs, and must not hold back others. */
const SANDBOX_PATIENCE_MS = 3_000;

/** Upstream's words. */
const ON_CGROUP_V1 =
  'kubelet is configured to not run on a host using cgroup v1. cgroup v1 support is unsupported and will be removed in a future release';

/** Builds a kubelet; nothing happens until it runs. */
export function createKubelet(options: KubeletOptions): Kubelet {
  const {
    configuration,
    client,
    clock,
    logger,
    runtime,
    images: imageService,
    recorder,
    folders,
    nodeName,
    nodeIPs,
    machine,
  } = options;
  const queue = new WorkQueue<string>({ clock, ...POD_RETRY_MS });
  const wake = (uid: string): void => queue.add(uid);
  const random = options.random ?? Math.random;
  let node: Node | undefined;
  let runtimeName = 'containerd';
  let runtimeVersion = '';
  let abilities: RuntimeAbilities = {
    recursiveReadOnlyMounts: false,
    supplementalGroupsPolicy: false,
    appArmor: false,
    userNamespaces: new Set(),
  };

  const podInformer = options.informers.informer(pods, { fieldSelector: `spec.nodeName=${nodeName}` });
  const nodeInformer = options.informers.informer(nodes, { fieldSelector: `metadata.name=${nodeName}` });
  const serviceInformer = options.informers.informer(services);
  const objects = new WatchedObjects(client, clock, logger);
  const cache = new PodCache({
    runtime,
    clock,
    logger,
    onRelist: (startedAtMs, endedAtMs) => metrics.relisted(startedAtMs, endedAtMs),
  });
  const metrics = new KubeletMetrics(nodeName, clock.now(), () => cache.views());
  cache.onChange(uid => metrics.podChanged(uid, cache.view(uid), clock.now()));
  const status = new StatusManager({ client, clock, logger });
  const cgroups = new PodCgroups({
    layout: options.cgroupLayout,
    driver: configuration.cgroupDriver === 'systemd' ? 'systemd' : 'cgroupfs',
    root: options.cgroupRoot ?? [],
    podPidsLimit: configuration.podPidsLimit,
    ownsCpus: pod => resources.ownsCpus(pod),
  });
  const capacity = machineAmounts(machine);
  const allocatable = (): Record<string, string> => node?.status?.allocatable ?? capacity;
  const stages = new SlowStages({ clock, recorder, logger });
  const resources = new ResourceManagers({
    root: folders.root,
    configuration,
    readMachine: () => readMachineTopology(machine.memoryBytes),
    reserved: () => memoryKept(capacity, nodeAllocatable(capacity, configuration)),
    runtime,
    cache,
    clock,
    logger,
    stages,
    metrics: metrics.registry,
    pods: () => access.pods(),
    cdiProblem: () => cdiRefused(runtimeName, runtimeVersion),
    onAmounts: () => registrar?.wake(),
    wake,
  });
  const csi = createCsi({
    root: folders.root,
    nodeName,
    client,
    objects,
    files: options.files,
    recorder,
    stages,
    clock,
    logger,
    reportInUse: () => registrar?.wake(),
  });
  const plugins = new PluginWatcher({
    folder: `${folders.root}/plugins_registry`,
    handlers: { CSIPlugin: csi.plugins, DevicePlugin: resources.pluginHandler },
    clock,
    logger,
  });
  const volumes = createVolumeManager({
    root: folders.root,
    otherKinds: [csi.kind],
    client,
    clock,
    logger,
    recorder,
    files: options.files,
    stages,
    ensureImage: (pod, { reference, pullPolicy }) =>
      images.manager.ensure(pod, { image: reference, imagePullPolicy: pullPolicy }, subjectOf(pods, pod)),
    runtimeVersion: () => ({ name: runtimeName, version: runtimeVersion }),
    objects,
    allocatable,
    fieldContext: pod => ({
      nodeName,
      hostIPs: nodeIPs,
      podIPs: pod.spec.hostNetwork === true ? nodeIPs : (cache.view(uidOf(pod))?.sandboxes[0]?.ips ?? []),
    }),
  });
  const images = createImages({
    configuration,
    root: folders.root,
    images: imageService,
    downloads: options.downloads,
    credentialProviders: options.credentialProviders,
    client,
    objects,
    recorder,
    clock,
    logger,
    observer: metrics,
    wake,
  });
  const runner = new ProbeRunner(runtime);
  const hostIP = nodeIPs[0] ?? '127.0.0.1';
  const prober = new Prober({
    runner,
    clock,
    logger,
    recorder,
    hostIP,
    random,
    wake: uid => workers.probed(uid),
    onProbed: outcome => metrics.probed(outcome),
  });
  const hooks = new HookRunner(runtime, clock);
  const killer = new ContainerKiller({
    stopSignals: new StopSignalSender({ runtime, cache, clock }),
    runtime,
    cache,
    hooks,
    recorder,
    clock,
    logger,
    stages,
    processesOf: uid => cgroups.describeProcesses(uid),
  });
  const { clusterDomain } = configuration;
  const clusterDns = { servers: configuration.clusterDNS ?? [], domain: clusterDomain };
  const userNamespaces = new UserNamespaces({
    folders,
    idsPerPod: configuration.userNamespaces.idsPerPod,
    maxPods: maxPodsOf(configuration, machine.cpuCount),
    able: handler => abilities.userNamespaces.has(handler),
  });
  const sandboxes = new SandboxStarter({
    userNamespaces,
    runtime,
    cache,
    cgroups,
    folders,
    clusterDns,
    resolvConfPath: configuration.resolvConf,
    recorder,
    runtimeHandler: async (pod, signal) => {
      const name = pod.spec.runtimeClassName ?? '';
      return name === '' ? '' : (await client.of(runtimeClasses).get({ name }, signal)).handler;
    },
    gate: new Gate({ limit: options.parallelSandboxes ?? 6, patienceMs: SANDBOX_PATIENCE_MS, clock }),
    stages,
  });
  const servicesFor = (pod: Pod): Service[] => {
    const own = serviceInformer.lister.list(pod.metadata.namespace);
    const master = serviceInformer.lister.get('default', 'kubernetes');
    return visibleServices(own, master === undefined ? [] : [master], pod.spec.enableServiceLinks ?? true);
  };
  const containers = new ContainerStarter({
    runtime,
    cache,
    volumes,
    objects,
    folders,
    recorder,
    clusterDomain,
    nodeName,
    hostIPs: nodeIPs,
    allocatable,
    nodeMemoryBytes: machine.memoryBytes,
    nodeSwap: () => housekeeping.swap(),
    abilities: () => abilities,
    visibleServices: servicesFor,
    extras: (pod, container, aborting) => resources.extras(pod, container, aborting),
    nodeHosts: () => readFile('/etc/hosts', 'utf8').catch(() => ''),
    stages,
  });
  const allocations = createAllocations({
    runtime,
    cache,
    cgroups,
    recorder,
    clock,
    logger,
    folders,
    wake,
    ownsCpus: (uid, container) => resources.hasOwnCpus(uid, container),
    node: () => node,
    pods: () => workers.activePods(),
    rules: resizeRulesOf(configuration),
  });
  const publisher = new StatusPublisher({
    allocations,
    resources,
    cache,
    prober,
    status,
    clock,
    hostIPs: nodeIPs,
    runtimeName: () => runtimeName,
  });
  const syncer = new PodSyncer({
    allocations,
    runtime,
    cache,
    volumes,
    images: images.manager,
    sandboxes,
    containers,
    killer,
    hooks,
    prober,
    publisher,
    recorder,
    clock,
    logger,
    backoff: restartBackoffOf(configuration),
    wake,
  });
  const terminator = new PodTerminator({
    runtime,
    cache,
    volumes,
    cgroups,
    killer,
    recorder,
    folders,
    clock,
    logger,
    stages,
  });
  const workers: PodWorkers = new PodWorkers({
    allocations,
    resources,
    cache,
    syncer,
    terminator,
    status,
    publisher,
    prober,
    images: images.manager,
    recorder,
    queue,
    clock,
    logger,
    admit: (pod, others) =>
      unsupportedByRuntime(pod, abilities) ??
      shutdown.admit() ??
      eviction.admit(pod) ??
      admitPod(pod, others, node && resources.withoutPlugins(node), configuration.allowedUnsafeSysctls),
    refreshNode: async aborting => {
      node = await client.of(nodes).get({ name: nodeName }, aborting);
    },
    podChanged: pod => volumes.podChanged(pod),
    podRemoved: pod => {
      sources.podRemoved(pod);
      userNamespaces.release(uidOf(pod));
    },
    observer: metrics,
  });
  const rotator = new LogRotator({
    runtime,
    cache,
    clock,
    logger,
    policy: logRotationOf(configuration),
    everyMs: durationMs(configuration.containerLogMonitorInterval),
    workers: configuration.containerLogMaxWorkers,
  });
  const access = new NodePodAccess(workers, cache, status);
  metrics.followPods(() => access.pods());
  queueMetrics(metrics.registry, 'pod', queue);
  const shutdown = new GracefulShutdown({
    configuration,
    nodeName,
    logind: new Logind(),
    pods: {
      active: () => workers.activePods(),
      end: (uid, verdict) => workers.endPod(uid, verdict),
      hasEnded: uid => workers.hasEnded(uid),
    },
    unwritten: () => status.unwritten,
    onChange: () => registrar?.wake(),
    recorder,
    clock,
    logger,
  });
  const sources = createPodSources({
    configuration,
    nodeName,
    client,
    clock,
    logger,
    recorder,
    workers,
    status,
    nodeUid: () => node?.metadata.uid,
    observer: metrics,
  });
  const housekeeping = createHousekeeping({
    configuration,
    nodeName,
    machine,
    layout: options.cgroupLayout,
    folders,
    runtime,
    images: imageService,
    cache,
    volumes,
    cgroups,
    workers,
    access,
    metrics,
    recorder,
    onConditions: () => registrar?.wake(),
    clock,
    logger,
  });
  const { eviction } = housekeeping;
  const lease = new NodeLease({
    client,
    clock,
    logger,
    durationSeconds: configuration.nodeLeaseDurationSeconds,
    nodeName,
    nodeUid: () => node?.metadata.uid,
  });
  const events = options.events({
    onEvent: event => cache.handle(event),
    relistDelayMs: () => cache.relistDelayMs(workers.expectEnds()),
  });

  let ready = false;
  let registrar: NodeRegistrar | undefined;
  let markStarted: () => void = () => {};
  const started = new Promise<void>(resolve => (markStarted = resolve));

  const run = async (signal: AbortSignal): Promise<void> => {
    for (const folder of [folders.root, podsFolder(folders), folders.podLogs, folders.containerLogs]) {
      await mkdir(folder, { recursive: true, mode: folder === folders.root ? 0o750 : 0o755 });
    }
    if (configuration.failCgroupV1 && options.cgroupLayout.shape !== 'v2') throw new Error(ON_CGROUP_V1);
    await cgroups.prepareNode();
    await Promise.all([allocations.store.load(), userNamespaces.load()]);
    const version = await waitForRuntime(options, signal);
    runtimeName = version.runtimeName;
    runtimeVersion = version.runtimeVersion;
    abilities = await readAbilities(runtime, signal).catch((error: unknown) => {
      signal.throwIfAborted();
      logger.warn({ err: error }, 'The container runtime does not say what it can');
      return abilities;
    });
    await housekeeping.prepare();
    await csi.restore();
    await resources.restore();
    registrar = createRegistrar(options, version, {
      nodeInformer,
      images: images.ofNode,
      volumesInUse: () => volumes.volumesInUse(),
      plugins: () => resources.amounts(),
      pressure: () => eviction.conditions,
      problems: () => [
        ...(ready ? [] : ['the kubelet is starting: the runtime or the API has not been listed yet']),
        ...shutdown.problems(),
      ],
      onNode: next => {
        node = next;
        if (next === undefined) return;
        allocations.resizer.roomChanged();
        options.onNode?.(next);
      },
    });
    const parts = [
      events.run(signal),
      status.run(signal),
      csi.run(signal),
      resources.run(signal),
      plugins.run(signal),
      registrar.run(signal),
      lease.run(signal),
      rotator.run(signal),
      housekeeping.run(signal, started),
      shutdown.run(signal),
    ];
    // Pods are only looked at once it is known what runs: or what runs would be started twice.
    const adopt = async (): Promise<void> => {
      await abandonOnAbort(cache.ready(), signal);
      parts.push(sources.run(signal));
      await abandonOnAbort(sources.filesRead(), signal);
      parts.push(workers.run(signal));
      await abandonOnAbort(Promise.all([podInformer.synced(), serviceInformer.synced()]), signal);
      const removeHandler = podInformer.addHandler(sources.apiPods);
      signal.addEventListener('abort', removeHandler, { once: true });
      ready = true;
      registrar?.wake();
      markStarted();
      workers.endOrphans();
      resources.releaseAllBut(uid => workers.has(uid));
      await housekeeping.collector.collectOrphans(signal);
    };
    try {
      await adopt();
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    await Promise.all(parts);
    prober.stop();
    objects.stop();
    options.files.stop();
  };

  return {
    name: 'kubelet',
    run,
    ready: async () => {
      await started;
      await registrar?.ready();
    },
    access,
    volumes,
    metrics,
    reports: reports(housekeeping.nodeSampler, housekeeping.diskSampler, metrics),
    health: () => (ready ? undefined : 'starting: the runtime or the API has not been listed yet'),
  };
}

/** What the runtime's default handler can; runtimes that do not say can nothing. */
async function readAbilities(runtime: RuntimeService, signal: AbortSignal): Promise<RuntimeAbilities> {
  const [{ runtimeHandlers = [], features }, appArmor] = await Promise.all([
    runtime.status({ signal }),
    isAppArmorEnabled(),
  ]);
  const byDefault = runtimeHandlers.find(({ name = '' }) => name === '')?.features;
  return {
    recursiveReadOnlyMounts: byDefault?.recursiveReadOnlyMounts === true,
    supplementalGroupsPolicy: features?.supplementalGroupsPolicy === true,
    appArmor,
    userNamespaces: new Set(
      runtimeHandlers.filter(handler => handler.features?.userNamespaces).map(({ name }) => name),
    ),
  };
}

const RUNTIME_RETRY_MS = 500;

/** A runtime that is away is waited for. @throws what else it answers, or the signal's reason */
async function waitForRuntime(
  { runtime, clock, logger }: KubeletOptions,
  signal: AbortSignal,
): Promise<RuntimeVersion> {
  for (let told = false; ; told = true) {
    try {
      return await runtime.version({ signal });
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      if (!told) logger.warn({ err: error }, 'The container runtime does not answer; waiting for it');
      await clock.sleep(RUNTIME_RETRY_MS, signal);
    }
  }
}
