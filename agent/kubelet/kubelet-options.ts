/** What a kubelet is made from. Whatever is left out has upstream's default. */
import type { Node, NodeAddress, Taint } from '../../proto/api/core-v1.ts';
import type { Client } from '../../machinery/client/client.ts';
import type { EventSink } from '../../machinery/client/event-recorder.ts';
import type { InformerFactory } from '../../machinery/client/informer.ts';
import type { Clock } from '../../machinery/process/clock.ts';
import type { Component } from '../../machinery/process/component.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import type { CgroupLayout } from '../host/cgroup-layout.ts';
import type { MachineInfo } from '../host/machine-info.ts';
import type { CgroupDriver } from './plan/cgroup-names.ts';
import type { ImageGcPolicy } from './plan/image-garbage.ts';
import type { LogRotationPolicy } from './plan/log-rotation.ts';
import type { KubeletFolders } from './plan/pod-paths.ts';
import type { ResourceAmounts } from '../../machinery/meta/pod-resources.ts';
import type { RestartBackoff } from './plan/restart.ts';
import type { ContainerEventsOptions } from './runtime/container-events.ts';
import type { ImageService, RuntimeService } from './runtime/runtime-service.ts';

export interface KubeletOptions {
  readonly client: Client;
  /** Made for this node's identity; run by its owner. */
  readonly informers: InformerFactory;
  readonly runtime: RuntimeService;
  readonly images: ImageService;
  /** Makes the source of the runtime's events, ContainerEvents; the kubelet runs it. */
  readonly events: (listener: Pick<ContainerEventsOptions, 'onEvent' | 'relistDelayMs'>) => Component;
  readonly recorder: EventSink;
  readonly clock: Clock;
  readonly logger: Logger;

  readonly machine: MachineInfo;
  readonly cgroupLayout: CgroupLayout;
  /** As the runtime is configured; default cgroupfs. */
  readonly cgroupDriver?: CgroupDriver;
  /** Groups under which `kubepods` is made; default none. */
  readonly cgroupRoot?: readonly string[];

  readonly nodeName: string;
  /** The node's addresses for pods and status, first one first. */
  readonly nodeIPs: readonly string[];
  /** Beside InternalIP and Hostname. */
  readonly extraAddresses?: readonly NodeAddress[];
  readonly labels?: Readonly<Record<string, string>>;
  /** Given when the node is registered, never later. */
  readonly taints?: readonly Taint[];
  readonly providerId?: string;
  readonly maxPods?: number;
  /** Kept from pods, for example `{ cpu: '100m' }`. */
  readonly reserved?: ResourceAmounts;
  /** Port of the kubelet's server. */
  readonly port?: number;
  /** For `node.status.nodeInfo.kubeletVersion`: `v1.36.0`. */
  readonly version: string;

  readonly clusterDns: readonly string[];
  readonly clusterDomain: string;
  /** The node's; default /etc/resolv.conf. */
  readonly resolvConfPath?: string;
  readonly folders: KubeletFolders;

  readonly backoff?: RestartBackoff;
  readonly logRotation?: LogRotationPolicy;
  readonly imageGc?: ImageGcPolicy;
  /** Image pulls at once; default 4. */
  readonly parallelPulls?: number;
  /** Sandboxes made at once; default 6. More only makes each slower. */
  readonly parallelSandboxes?: number;
  /** Told whenever the node object is newly known. */
  readonly onNode?: (node: Node) => void;
  /** In [0, 1), for jitter. */
  readonly random?: () => number;
}
