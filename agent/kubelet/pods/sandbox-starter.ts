/** Makes a pod's sandbox: log folder, control group, DNS, hostname, then one call to the runtime. */
import { mkdir, readFile } from 'node:fs/promises';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { PodSandboxConfig } from '../../../proto/cri/runtime.gen.ts';
import { pods } from '../../../machinery/client/resource.ts';
import { subjectOf, type EventSink } from '../../../machinery/client/event-recorder.ts';
import type { PodCache } from '../pleg/pod-cache.ts';
import { parseResolvConf, podDns, type ClusterDns, type DnsSettings } from '../plan/dns-config.ts';
import { podHostname } from '../plan/pod-hostname.ts';
import { podFolder, podLogFolder, type KubeletFolders } from '../plan/pod-paths.ts';
import { uidOf } from '../plan/pod-spec.ts';
import type { SandboxView } from '../plan/pod-view.ts';
import { sandboxConfig } from '../plan/sandbox-config.ts';
import { notEnforced, unsupportedByNode } from '../plan/unsupported.ts';
import type { RuntimeService } from '../runtime/runtime-service.ts';
import type { PodWorkMetrics } from '../stats/pod-work-metrics.ts';
import type { UserNamespaces } from '../userns/user-namespaces.ts';
import type { Gate } from './gate.ts';
import type { PodCgroups } from './pod-cgroups.ts';
import type { StageWatch } from './slow-stages.ts';

export interface SandboxStarterOptions {
  readonly runtime: RuntimeService;
  readonly cache: PodCache;
  readonly cgroups: PodCgroups;
  readonly userNamespaces: UserNamespaces;
  readonly folders: KubeletFolders;
  readonly clusterDns: ClusterDns;
  /** The node's resolv.conf. */
  readonly resolvConfPath: string;
  readonly recorder: EventSink;
  /** The runtime's handler for the pod; '' for its default. @throws in words when its RuntimeClass does not exist */
  readonly runtimeHandler: (pod: Pod, signal: AbortSignal) => Promise<string>;
  /** Bounds heavy calls, so that a burst does not slow each of them. */
  readonly gate: Gate;
  readonly stages: StageWatch;
  readonly work: PodWorkMetrics;
}

/** A sandbox that was made, and what it was made from. */
export interface StartedSandbox {
  readonly view: SandboxView;
  readonly config: PodSandboxConfig;
}

export class SandboxStarter {
  private readonly options: SandboxStarterOptions;

  constructor(options: SandboxStarterOptions) {
    this.options = options;
  }

  /** The configuration of a sandbox with that number; makes nothing. @throws Error in words */
  async configFor(pod: Pod, attempt: number): Promise<PodSandboxConfig> {
    const hostname = podHostname(pod, this.options.clusterDns.domain);
    if (typeof hostname === 'string') throw new Error(hostname);
    const { settings, warnings } = podDns(pod, this.options.clusterDns, await this.hostDns());
    for (const warning of warnings) {
      const reason = warning.startsWith('kubelet does not have') ? 'MissingClusterDNS' : 'DNSConfigForming';
      this.options.recorder.event(subjectOf(pods, pod), 'Warning', reason, warning);
    }
    return sandboxConfig({
      pod,
      attempt,
      hostname: hostname.sandboxHostname,
      dns: settings,
      logFolder: podLogFolder(this.options.folders, pod),
      cgroupParent: this.options.cgroups.parentOf(pod),
      userNamespace: await this.options.userNamespaces.of(pod),
    });
  }

  /** @throws RuntimeError, Error in words, or the signal's reason */
  async start(pod: Pod, attempt: number, signal: AbortSignal): Promise<StartedSandbox> {
    const { runtime, cache, cgroups, folders, gate, recorder, stages, work } = this.options;
    const unsupported = unsupportedByNode(pod);
    if (unsupported !== undefined) throw new Error(unsupported);
    for (const text of notEnforced(pod)) recorder.event(subjectOf(pods, pod), 'Warning', 'FieldNotEnforced', text);
    const handler = await this.options.runtimeHandler(pod, signal);
    this.options.userNamespaces.check(pod, handler);
    const [config] = await Promise.all([
      this.configFor(pod, attempt),
      cgroups.ensurePod(pod),
      mkdir(podLogFolder(folders, pod), { recursive: true }),
      mkdir(podFolder(folders, uidOf(pod)), { recursive: true, mode: 0o750 }),
    ]);
    const stage = {
      subject: subjectOf(pods, pod),
      doing: 'Creating the sandbox',
      waitsFor: 'the container runtime, or a CNI plug-in that it called, does not answer; see the log of the runtime',
    };
    const id = await gate.run(
      () => stages.watch(stage, () => work.sandbox(handler, () => runtime.runPodSandbox(config, handler, { signal }))),
      signal,
    );
    const { uid = '', namespace = '', name = '' } = pod.metadata;
    return { view: await cache.addSandbox({ uid, namespace, name }, id), config };
  }

  private async hostDns(): Promise<DnsSettings> {
    return parseResolvConf(await readFile(this.options.resolvConfPath, 'utf8').catch(() => ''));
  }
}
