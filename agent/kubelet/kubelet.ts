/**
 * The kubelet: makes the containers of a node be what the API says, and tells the API what they are.
 *
 * - Starts by adopting: containers that run are found by their labels and left alone.
 * - Stopping it stops no container.
 * - An API that is away stops nothing: pods run on, crashed ones restart, statuses are written later.
 */
import { mkdir } from 'node:fs/promises';
import { readMachineTopology } from '../host/machine-topology.ts';
import type { Node } from '../../proto/api/core-v1.ts';
import { nodes, pods } from '../../machinery/client/resource.ts';
import { subjectOf } from '../../machinery/client/event-recorder.ts';
import { WorkQueue } from '../../machinery/client/work-queue.ts';
import { ipFamilyOf } from '../../machinery/meta/value-shapes.ts';
import type { Component } from '../../machinery/process/component.ts';
import { Logind } from '../host/logind.ts';
import { durationMs } from './config/plan/kubelet-configuration.ts';
import { UnusableSettingsError } from './config/plan/unusable-settings-error.ts';
import { logRotationOf } from './config/plan/policies.ts';
import { createAllocations } from './allocations/create-allocations.ts';
import { createImages } from './images/create-images.ts';
import type { KubeletOptions } from './kubelet-options.ts';
import { GracefulShutdown } from './node/graceful-shutdown.ts';
import { createHousekeeping } from './node/housekeeping.ts';
import { LogRotator } from './node/log-rotator.ts';
import { NodeLease } from './node/node-lease.ts';
import { createRegistrar } from './node/create-registrar.ts';
import type { NodeRegistrar } from './node/node-registrar.ts';
import { createPodSources } from './sources/create-pod-sources.ts';
import { WatchedObjects } from './objects/watched-objects.ts';
import { admitPod } from './plan/node-admission.ts';
import { nodeAllocatable } from './node/plan/node-allocatable.ts';
import { machineAmounts } from './node/plan/node-object.ts';
import { resizeRulesOf } from './allocations/plan/resize-decision.ts';
import { podsFolder } from './plan/pod-paths.ts';
import { runtimeSilence } from './plan/runtime-silence.ts';
import { uidOf } from './plan/pod-spec.ts';
import { unsupportedByRuntime } from './plan/unsupported.ts';
import { PodCache } from './pleg/pod-cache.ts';
import { abandonOnAbort } from './pods/abandon.ts';
import { createPodPath } from './pods/create-pod-path.ts';
import { NodePodAccess } from './pods/node-pod-access.ts';
import { PodCgroups } from './pods/pod-cgroups.ts';
import { PodWorkers } from './pods/pod-workers.ts';
import { SlowStages } from './pods/slow-stages.ts';
import { StatusManager } from './pods/status-manager.ts';
import { PluginWatcher } from './plugins/plugin-watcher.ts';
import { ProbeRunner } from './prober/probe-runner.ts';
import { Prober } from './prober/prober.ts';
import { cdiRefused } from './resources/plan/with-extras.ts';
import { memoryKept } from './resources/plan/resource-settings.ts';
import { ResourceManagers } from './resources/resource-managers.ts';
import { RuntimeLink } from './runtime/runtime-link.ts';
import type { Reports } from './server/routes/reports.ts';
import type { PodAccess } from './server/pod-access.ts';
import { queueMetrics } from '../../machinery/client/client-metrics.ts';
import { KubeletMetrics } from './stats/kubelet-metrics.ts';
import { PodWorkMetrics } from './stats/pod-work-metrics.ts';
import { reports } from './stats/reports.ts';
import { createVolumeManager } from './volumes/create-volume-manager.ts';
import { createCsi } from './volumes/csi/create-csi.ts';
import { StorageMetrics } from './volumes/storage-metrics.ts';
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
  const reportNode = (): void => registrar?.wake();
  const random = options.random ?? Math.random;
  const base = {
    configuration,
    client,
    clock,
    logger,
    recorder,
    runtime,
    folders,
    root: folders.root,
    nodeName,
    machine,
    wake,
  };
  let node: Node | undefined;
  const link = new RuntimeLink({ runtime, clock, logger });

  const podInformer = options.informers.informer(pods, { fieldSelector: `spec.nodeName=${nodeName}` });
  const nodeInformer = options.informers.informer(nodes, { fieldSelector: `metadata.name=${nodeName}` });
  const hostIP = nodeIPs[0] ?? '127.0.0.1';
  const objects = new WatchedObjects(client, clock, logger);
  const cache = new PodCache({
    runtime,
    clock,
    logger,
    primaryFamily: ipFamilyOf(hostIP) ?? 'IPv4',
    onRelist: (startedAtMs, endedAtMs) => metrics.relisted(startedAtMs, endedAtMs),
  });
  const metrics = new KubeletMetrics(nodeName, clock.now(), () => cache.views());
  const work = new PodWorkMetrics(metrics.registry);
  cache.onChange(uid => metrics.podChanged(uid, cache.view(uid), clock.now()));
  const status = new StatusManager({ client, clock, logger });
  const cgroups: PodCgroups = new PodCgroups({
    layout: options.cgroupLayout,
    driver: configuration.cgroupDriver === 'systemd' ? 'systemd' : 'cgroupfs',
    root: options.cgroupRoot ?? [],
    podPidsLimit: configuration.podPidsLimit,
    ownsCpus: pod => resources.ownsCpus(pod),
    work,
  });
  const capacity = machineAmounts(machine);
  const allocatable = (): Record<string, string> => node?.status?.allocatable ?? capacity;
  const stages = new SlowStages(base);
  const storage = new StorageMetrics(metrics.registry);
  const core = { ...base, objects, cache, stages, cgroups, work, storage };
  const resources = new ResourceManagers({
    ...core,
    readMachine: () => readMachineTopology(machine.memoryBytes),
    reserved: () => memoryKept(capacity, nodeAllocatable(capacity, configuration)),
    metrics: metrics.registry,
    pods: () => access.pods(),
    cdiProblem: () => cdiRefused(link.name, link.version),
    onAmounts: reportNode,
  });
  const csi = createCsi({
    ...core,
    files: options.files,
    reportInUse: reportNode,
  });
  const plugins = new PluginWatcher({
    ...core,
    folder: `${folders.root}/plugins_registry`,
    handlers: { CSIPlugin: csi.plugins, DevicePlugin: resources.pluginHandler },
  });
  const volumes = createVolumeManager({
    ...core,
    otherKinds: [csi.kind],
    files: options.files,
    makeLocalFolder: options.makeLocalFolder,
    ensureImage: (pod, { reference, pullPolicy }) =>
      images.manager.ensure(pod, { image: reference, imagePullPolicy: pullPolicy }, subjectOf(pods, pod)),
    runtimeVersion: () => link,
    allocatable,
    fieldContext: pod => ({
      nodeName,
      hostIPs: nodeIPs,
      podIPs: pod.spec.hostNetwork === true ? nodeIPs : (cache.view(uidOf(pod))?.sandboxes[0]?.ips ?? []),
    }),
  });
  const images = createImages({
    ...core,
    images: imageService,
    downloads: options.downloads,
    credentialProviders: options.credentialProviders,
    observer: metrics,
  });
  const runner = new ProbeRunner(runtime);
  const prober = new Prober({
    ...core,
    runner,
    hostIP,
    random,
    wake: uid => workers.probed(uid),
    onProbed: outcome => metrics.probed(outcome),
  });
  const allocations = createAllocations({
    ...core,
    ownsCpus: (uid, container) => resources.hasOwnCpus(uid, container),
    node: () => node,
    pods: () => workers.activePods(),
    rules: resizeRulesOf(configuration),
  });
  const path = createPodPath({
    ...core,
    link,
    volumes,
    images: images.manager,
    prober,
    status,
    allocations,
    resources,
    nodeIPs,
    allocatable,
    nodeSwap: () => housekeeping.swap(),
    services: options.services.lister,
    onPodAddresses: options.onPodAddresses,
    parallelSandboxes: options.parallelSandboxes,
  });
  const workers: PodWorkers = new PodWorkers({
    ...core,
    allocations,
    resources,
    syncer: path.syncer,
    terminator: path.terminator,
    publisher: path.publisher,
    status,
    prober,
    images: images.manager,
    queue,
    admit: (pod, others) =>
      unsupportedByRuntime(pod, link.abilities) ??
      shutdown.admit() ??
      eviction.admit(pod) ??
      admitPod(pod, others, node && resources.withoutPlugins(node), configuration.allowedUnsafeSysctls),
    refreshNode: async aborting => {
      node = await client.of(nodes).get({ name: nodeName }, aborting);
    },
    podChanged: pod => volumes.podChanged(pod),
    podRemoved: pod => {
      sources.podRemoved(pod);
      path.userNamespaces.release(uidOf(pod));
    },
    observer: metrics,
  });
  const rotator = new LogRotator({
    ...core,
    policy: logRotationOf(configuration),
    everyMs: durationMs(configuration.containerLogMonitorInterval),
    workers: configuration.containerLogMaxWorkers,
  });
  const access = new NodePodAccess(workers, cache, status);
  metrics.followPods(() => access.pods());
  queueMetrics(metrics.registry, 'pod', queue);
  const shutdown = new GracefulShutdown({
    ...core,
    logind: new Logind(),
    pods: {
      active: () => workers.activePods(),
      end: (uid, verdict) => workers.endPod(uid, verdict),
      hasEnded: uid => workers.hasEnded(uid),
    },
    unwritten: () => status.unwritten,
    onChange: reportNode,
  });
  const sources = createPodSources({
    ...core,
    workers,
    status,
    nodeUid: () => node?.metadata.uid,
    observer: metrics,
  });
  const housekeeping = createHousekeeping({
    ...core,
    layout: options.cgroupLayout,
    images: imageService,
    volumes,
    workers,
    access,
    metrics,
    onConditions: reportNode,
  });
  const { eviction } = housekeeping;
  const lease = new NodeLease({
    ...core,
    durationSeconds: configuration.nodeLeaseDurationSeconds,
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
    if (configuration.failCgroupV1 && options.cgroupLayout.shape !== 'v2')
      throw new UnusableSettingsError(ON_CGROUP_V1);
    await cgroups.prepareNode();
    await Promise.all([allocations.store.load(), path.userNamespaces.load()]);
    const version = await link.connect(signal);
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
        ...runtimeSilence(cache.silentMs()),
        ...shutdown.problems(),
        ...(options.problems?.() ?? []),
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
      await abandonOnAbort(Promise.all([podInformer.synced(), options.services.synced()]), signal);
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
