/** What a kubelet is made from. Whatever is left out has upstream's default. */
import type { Node, NodeAddress, PersistentVolume, Pod, Service } from '../../proto/api/core-v1.ts';
import type { Client } from '../../machinery/client/client.ts';
import type { EventSink } from '../../machinery/client/event-recorder.ts';
import type { Informer, InformerFactory } from '../../machinery/client/informer.ts';
import type { Clock } from '../../machinery/process/clock.ts';
import type { Component } from '../../machinery/process/component.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import type { CgroupLayout } from '../host/cgroup-layout.ts';
import type { GuardedFiles } from '../host/files/guarded-files.ts';
import type { MachineInfo } from '../host/machine-info.ts';
import type { KubeletConfiguration } from './config/plan/kubelet-configuration.ts';
import type { KubeletFolders } from './plan/pod-paths.ts';
import type { CredentialProviders } from './images/create-images.ts';
import type { ContainerEventsOptions } from './runtime/container-events.ts';
import type { SampleDownloads } from './runtime/images/download-progress.ts';
import type { ImageService, RuntimeService } from './runtime/runtime-service.ts';

/** @throws Error in words, if the pod must not start; it is tried again */
export type OnPodAddresses = (pod: Pod, ips: readonly string[], signal: AbortSignal) => Promise<void>;

export interface KubeletOptions {
  /** Settings by upstream's names, whole. */
  readonly configuration: KubeletConfiguration;
  readonly client: Client;
  /** Made for this node's identity; run by its owner. */
  readonly informers: InformerFactory;
  /** Run by whoever made it: the node's other parts follow services, too, and a second copy would cost megabytes. */
  readonly services: Informer<Service>;
  readonly runtime: RuntimeService;
  readonly images: ImageService;
  /** How far pulls are. */
  readonly downloads: SampleDownloads;
  /** Programs that know credentials for images. */
  readonly credentialProviders?: CredentialProviders | undefined;
  /** Makes the source of the runtime's events, ContainerEvents; the kubelet runs it. */
  readonly events: (listener: Pick<ContainerEventsOptions, 'onEvent' | 'relistDelayMs'>) => Component;
  readonly recorder: EventSink;
  readonly clock: Clock;
  readonly logger: Logger;

  /** The way to files of volumes, which may lie on file systems that hang. */
  readonly files: GuardedFiles;
  /** Makes the folder of a `local` volume that is made when it is first used. @throws Error that says why the pod has to wait */
  readonly makeLocalFolder?: ((volume: PersistentVolume) => Promise<void>) | undefined;
  readonly machine: MachineInfo;
  readonly cgroupLayout: CgroupLayout;
  /** Groups under which `kubepods` is made; default none. */
  readonly cgroupRoot?: readonly string[];

  readonly nodeName: string;
  /** The node's addresses for pods and status, first one first. */
  readonly nodeIPs: readonly string[];
  /** Beside InternalIP and Hostname. */
  readonly extraAddresses?: readonly NodeAddress[];
  readonly labels?: Readonly<Record<string, string>>;
  /** For `node.status.nodeInfo.kubeletVersion`: `v1.36.0`. */
  readonly version: string;

  readonly folders: KubeletFolders;

  /** Sandboxes made at once; default 6. More only makes each slower. */
  readonly parallelSandboxes?: number;
  /**
   * Called when the network of a pod stands, before anything runs in it and again before each start in it; containers wait for it.
   * @param ips first one first; none on the host's network
   */
  readonly onPodAddresses?: OnPodAddresses | undefined;
  /** Further reasons why the node is not ready, in sentences. */
  readonly problems?: () => readonly string[];
  /** Told whenever the node object is newly known. */
  readonly onNode?: (node: Node) => void;
  /** In [0, 1), for jitter. */
  readonly random?: () => number;
}
