/**
 * What the kubelet asks of a container runtime: the calls of CRI runtime.v1, with messages wrapped away where they hold one
 * field. CriClient implements both interfaces; another runtime's adapter may too.
 *
 * - Every call ends: each has a deadline of its own unless `timeoutMs` says otherwise; `pullImage` alone has none.
 * - A failure is a RuntimeError; an abort rejects with the signal's reason.
 * - Stop and Remove calls succeed for what does not exist or is stopped already, as CRI demands.
 */
import type { Decoded } from '../../../proto/decoded.ts';
import type {
  AttachRequest,
  AuthConfig,
  ContainerConfig,
  ContainerFilter,
  ContainerStatsFilter,
  ContainerStats,
  Container,
  ContainerStatusResponse,
  ExecRequest,
  FilesystemUsage,
  Image,
  ImageSpec,
  LinuxContainerResources,
  PodSandbox,
  PodSandboxConfig,
  PodSandboxFilter,
  PodSandboxStats,
  PodSandboxStatsFilter,
  PodSandboxStatusResponse,
  PortForwardRequest,
  StatusResponse,
} from '../../../proto/cri/runtime.gen.ts';

/** How one call is made. */
export interface RuntimeCallOptions {
  /** Cancels the call; the runtime may still finish what it began. */
  readonly signal?: AbortSignal;
  /** Overrides the call's own deadline, in milliseconds. */
  readonly timeoutMs?: number;
}

/** Who the runtime is. */
export interface RuntimeVersion {
  /** `containerd`, `cri-o`, ... */
  readonly runtimeName: string;
  /** For example `1.6.20` */
  readonly runtimeVersion: string;
  /** `v1` */
  readonly runtimeApiVersion: string;
}

/** What a command in a container left behind. */
export interface ExecSyncResult {
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly exitCode: number;
}

/** How the runtime makes cgroups: the kubelet's cgroup parents must be spelled accordingly. */
export type CgroupDriverName = 'cgroupfs' | 'systemd';

/** Pods and containers. */
export interface RuntimeService {
  version(options?: RuntimeCallOptions): Promise<RuntimeVersion>;
  /** Conditions RuntimeReady and NetworkReady, and the runtime handlers it knows. */
  status(options?: RuntimeCallOptions): Promise<Decoded<StatusResponse>>;
  /** Undefined if the runtime cannot tell (containerd before 2.0). */
  cgroupDriver(options?: RuntimeCallOptions): Promise<CgroupDriverName | undefined>;
  updateRuntimeConfig(podCidr: string, options?: RuntimeCallOptions): Promise<void>;

  /** Makes the sandbox and its network, and starts its pause container; gives the sandbox's id. */
  runPodSandbox(config: PodSandboxConfig, runtimeHandler?: string, options?: RuntimeCallOptions): Promise<string>;
  /** Kills what still runs in the sandbox and frees its network. */
  stopPodSandbox(podSandboxId: string, options?: RuntimeCallOptions): Promise<void>;
  removePodSandbox(podSandboxId: string, options?: RuntimeCallOptions): Promise<void>;
  /** @throws RuntimeError NotFound */
  podSandboxStatus(podSandboxId: string, options?: RuntimeCallOptions): Promise<Decoded<PodSandboxStatusResponse>>;
  listPodSandbox(filter?: PodSandboxFilter, options?: RuntimeCallOptions): Promise<Decoded<PodSandbox>[]>;

  /** Gives the container's id. `sandboxConfig` is the one the sandbox was made with. */
  createContainer(
    podSandboxId: string,
    config: ContainerConfig,
    sandboxConfig: PodSandboxConfig,
    options?: RuntimeCallOptions,
  ): Promise<string>;
  startContainer(containerId: string, options?: RuntimeCallOptions): Promise<void>;
  /** Stop signal, then SIGKILL after `gracePeriodSeconds`; resolves once the container ended. The deadline follows the grace period. */
  stopContainer(containerId: string, gracePeriodSeconds: number, options?: RuntimeCallOptions): Promise<void>;
  removeContainer(containerId: string, options?: RuntimeCallOptions): Promise<void>;
  listContainers(filter?: ContainerFilter, options?: RuntimeCallOptions): Promise<Decoded<Container>[]>;
  /** @throws RuntimeError NotFound */
  containerStatus(containerId: string, options?: RuntimeCallOptions): Promise<Decoded<ContainerStatusResponse>>;
  /** Of its first process, as the node counts; undefined where the runtime does not tell, or it does not run. */
  containerPid(containerId: string, options?: RuntimeCallOptions): Promise<number | undefined>;
  updateContainerResources(
    containerId: string,
    resources: LinuxContainerResources,
    options?: RuntimeCallOptions,
  ): Promise<void>;
  /** Tells the runtime that the log file was moved away. */
  reopenContainerLog(containerId: string, options?: RuntimeCallOptions): Promise<void>;

  /**
   * Runs a command to its end. `timeoutSeconds` 0 means no bound of the runtime's; the call's own deadline follows it.
   * @throws RuntimeError DeadlineExceeded when the command took longer
   */
  execSync(
    containerId: string,
    command: readonly string[],
    timeoutSeconds: number,
    options?: RuntimeCallOptions,
  ): Promise<ExecSyncResult>;
  /**
   * Writes the container's state to an archive at `location`; the container runs on.
   * @param timeoutSeconds 0: the runtime's own bound
   * @throws RuntimeError Unimplemented when the runtime cannot
   */
  checkpointContainer(
    containerId: string,
    location: string,
    timeoutSeconds: number,
    options?: RuntimeCallOptions,
  ): Promise<void>;
  /** Gives the URL of the runtime's streaming server, good for one connection within a minute. */
  exec(request: ExecRequest, options?: RuntimeCallOptions): Promise<string>;
  /** As `exec`. */
  attach(request: AttachRequest, options?: RuntimeCallOptions): Promise<string>;
  /** As `exec`. */
  portForward(request: PortForwardRequest, options?: RuntimeCallOptions): Promise<string>;

  containerStats(containerId: string, options?: RuntimeCallOptions): Promise<Decoded<ContainerStats> | undefined>;
  listContainerStats(filter?: ContainerStatsFilter, options?: RuntimeCallOptions): Promise<Decoded<ContainerStats>[]>;
  podSandboxStats(podSandboxId: string, options?: RuntimeCallOptions): Promise<Decoded<PodSandboxStats> | undefined>;
  /** containerd 1.6 fails as a whole if one sandbox is not ready: ask for the ready ones alone. */
  listPodSandboxStats(
    filter?: PodSandboxStatsFilter,
    options?: RuntimeCallOptions,
  ): Promise<Decoded<PodSandboxStats>[]>;
}

/** Progress of a pull is not part of CRI; see images/download-progress.ts. */
export interface PullImageOptions extends RuntimeCallOptions {
  readonly auth?: AuthConfig;
  /** Of the pod the image is for. */
  readonly sandboxConfig?: PodSandboxConfig;
}

/** Disk use of images and of containers' writable layers. */
export interface ImageFsInfo {
  readonly imageFilesystems: readonly Decoded<FilesystemUsage>[];
  readonly containerFilesystems: readonly Decoded<FilesystemUsage>[];
}

/** Images. */
export interface ImageService {
  listImages(image?: ImageSpec, options?: RuntimeCallOptions): Promise<Decoded<Image>[]>;
  /** Undefined if the image is not there. */
  imageStatus(image: ImageSpec, options?: RuntimeCallOptions): Promise<Decoded<Image> | undefined>;
  /** Gives the image's reference (digest). */
  pullImage(image: ImageSpec, options?: PullImageOptions): Promise<string>;
  /** Succeeds for an image that is not there. */
  removeImage(image: ImageSpec, options?: RuntimeCallOptions): Promise<void>;
  imageFsInfo(options?: RuntimeCallOptions): Promise<ImageFsInfo>;
}
