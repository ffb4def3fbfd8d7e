/**
 * RuntimeService and ImageService over CRI runtime.v1 on a unix socket: containerd, CRI-O, or any other that speaks it.
 *
 * - Deadlines: call-deadlines.ts. Errors: RuntimeError. Connection: GrpcChannel, which finds a restarted runtime again.
 * - Holds no state of pods.
 */
import type { Decoded } from '../../../proto/decoded.ts';
import {
  CgroupDriver,
  ImageServiceService as imageCalls,
  RuntimeServiceService as runtimeCalls,
  type ContainerConfig,
  type ContainerFilter,
  type ContainerStatsFilter,
  type ImageSpec,
  type LinuxContainerResources,
  type PodSandboxConfig,
  type PodSandboxFilter,
  type PodSandboxStatsFilter,
  type AttachRequest,
  type ExecRequest,
  type PortForwardRequest,
  type GetEventsRequest,
  type ContainerEventResponse,
} from '../../../proto/cri/runtime.gen.ts';
import { callDeadlinesMs, type CallDeadlines } from './call-deadlines.ts';
import { GrpcChannel, type CallObserver, type GrpcMethod, type StreamOptions } from './grpc-channel.ts';
import { isNotFound, isUnimplemented, RuntimeError } from './runtime-error.ts';
import type {
  CgroupDriverName,
  ImageService,
  PullImageOptions,
  RuntimeCallOptions,
  RuntimeService,
  RuntimeVersion,
} from './runtime-service.ts';

const SUPPORTED_API_VERSION = 'v1';

export class CriClient implements RuntimeService, ImageService {
  private readonly channel: GrpcChannel;
  private readonly socketPath: string;
  private readonly deadlinesMs: CallDeadlines;

  /**
   * @param endpoint socket path, with or without `unix://`
   * @param requestTimeoutMs what an ordinary call may take; default two minutes
   */
  constructor(endpoint: string, requestTimeoutMs?: number) {
    this.deadlinesMs = callDeadlinesMs(requestTimeoutMs);
    this.socketPath = endpoint.replace(/^unix:(\/\/)?/, '');
    this.channel = new GrpcChannel(this.socketPath);
  }

  /** Tells `observer` of every call from now on; streams are none. */
  observe(observer: CallObserver): void {
    this.channel.observer = observer;
  }

  close(): void {
    this.channel.close();
  }

  /**
   * Asks the runtime who it is, and makes sure that it speaks this client's API.
   * @throws RuntimeError Unimplemented when it does not
   */
  async checkVersion(options?: RuntimeCallOptions): Promise<RuntimeVersion> {
    const version = await this.version(options).catch((error: unknown) => {
      throw isUnimplemented(error) ? this.unsupported('an older CRI', error) : error;
    });
    if (version.runtimeApiVersion !== SUPPORTED_API_VERSION) throw this.unsupported(`CRI ${version.runtimeApiVersion}`);
    return version;
  }

  version(options?: RuntimeCallOptions): Promise<RuntimeVersion> {
    return this.quick(runtimeCalls.version, { version: SUPPORTED_API_VERSION }, options);
  }

  status(options?: RuntimeCallOptions) {
    return this.quick(runtimeCalls.status, {}, options);
  }

  /** The image that the runtime makes sandboxes of, where it tells (containerd, in its verbose status). */
  async sandboxImage(options?: RuntimeCallOptions): Promise<string | undefined> {
    const { info } = await this.quick(runtimeCalls.status, { verbose: true }, options);
    try {
      const { sandboxImage } = JSON.parse(info['config'] ?? '{}') as { sandboxImage?: unknown };
      return typeof sandboxImage === 'string' && sandboxImage !== '' ? sandboxImage : undefined;
    } catch {
      return undefined;
    }
  }

  async cgroupDriver(options?: RuntimeCallOptions): Promise<CgroupDriverName | undefined> {
    try {
      const { linux } = await this.quick(runtimeCalls.runtimeConfig, {}, options);
      if (linux === undefined) return undefined;
      return linux.cgroupDriver === CgroupDriver.SYSTEMD ? 'systemd' : 'cgroupfs';
    } catch (error) {
      if (isUnimplemented(error)) return undefined;
      throw error;
    }
  }

  async updateRuntimeConfig(podCidr: string, options?: RuntimeCallOptions): Promise<void> {
    const runtimeConfig = { networkConfig: { podCidr } };
    await this.quick(runtimeCalls.updateRuntimeConfig, { runtimeConfig }, options);
  }

  async runPodSandbox(config: PodSandboxConfig, runtimeHandler = '', options?: RuntimeCallOptions): Promise<string> {
    const request = { config, runtimeHandler };
    const { sandbox } = this.deadlinesMs;
    return (await this.channel.unary(runtimeCalls.runPodSandbox, request, sandbox, options)).podSandboxId;
  }

  async stopPodSandbox(podSandboxId: string, options?: RuntimeCallOptions): Promise<void> {
    const { sandbox } = this.deadlinesMs;
    await absentIsDone(this.channel.unary(runtimeCalls.stopPodSandbox, { podSandboxId }, sandbox, options));
  }

  async removePodSandbox(podSandboxId: string, options?: RuntimeCallOptions): Promise<void> {
    await absentIsDone(this.quick(runtimeCalls.removePodSandbox, { podSandboxId }, options));
  }

  podSandboxStatus(podSandboxId: string, options?: RuntimeCallOptions) {
    return this.quick(runtimeCalls.podSandboxStatus, { podSandboxId }, options);
  }

  async listPodSandbox(filter: PodSandboxFilter = {}, options?: RuntimeCallOptions) {
    return (await this.quick(runtimeCalls.listPodSandbox, { filter }, options)).items;
  }

  async createContainer(
    podSandboxId: string,
    config: ContainerConfig,
    sandboxConfig: PodSandboxConfig,
    options?: RuntimeCallOptions,
  ): Promise<string> {
    const request = { podSandboxId, config, sandboxConfig };
    return (await this.quick(runtimeCalls.createContainer, request, options)).containerId;
  }

  async startContainer(containerId: string, options?: RuntimeCallOptions): Promise<void> {
    await this.quick(runtimeCalls.startContainer, { containerId }, options);
  }

  async stopContainer(containerId: string, gracePeriodSeconds: number, options?: RuntimeCallOptions): Promise<void> {
    const request = { containerId, timeout: BigInt(Math.max(0, Math.ceil(gracePeriodSeconds))) };
    const deadlineMs = this.deadlinesMs.stop(gracePeriodSeconds);
    await absentIsDone(this.channel.unary(runtimeCalls.stopContainer, request, deadlineMs, options));
  }

  async removeContainer(containerId: string, options?: RuntimeCallOptions): Promise<void> {
    await absentIsDone(this.quick(runtimeCalls.removeContainer, { containerId }, options));
  }

  async listContainers(filter: ContainerFilter = {}, options?: RuntimeCallOptions) {
    return (await this.quick(runtimeCalls.listContainers, { filter }, options)).containers;
  }

  containerStatus(containerId: string, options?: RuntimeCallOptions) {
    return this.quick(runtimeCalls.containerStatus, { containerId }, options);
  }

  async containerPid(containerId: string, options?: RuntimeCallOptions): Promise<number | undefined> {
    const { info } = await this.quick(runtimeCalls.containerStatus, { containerId, verbose: true }, options);
    try {
      // containerd and CRI-O alike.
      const { pid } = JSON.parse(info['info'] ?? '{}') as { pid?: unknown };
      return typeof pid === 'number' && pid > 1 ? pid : undefined;
    } catch {
      return undefined;
    }
  }

  async updateContainerResources(
    containerId: string,
    linux: LinuxContainerResources,
    options?: RuntimeCallOptions,
  ): Promise<void> {
    await this.quick(runtimeCalls.updateContainerResources, { containerId, linux }, options);
  }

  async reopenContainerLog(containerId: string, options?: RuntimeCallOptions): Promise<void> {
    await this.quick(runtimeCalls.reopenContainerLog, { containerId }, options);
  }

  execSync(containerId: string, command: readonly string[], timeoutSeconds: number, options?: RuntimeCallOptions) {
    const request = { containerId, cmd: [...command], timeout: BigInt(Math.ceil(timeoutSeconds)) };
    return this.channel.unary(runtimeCalls.execSync, request, this.deadlinesMs.exec(timeoutSeconds), options);
  }

  async checkpointContainer(
    containerId: string,
    location: string,
    timeoutSeconds: number,
    options?: RuntimeCallOptions,
  ): Promise<void> {
    const request = { containerId, location, timeout: BigInt(timeoutSeconds) };
    const deadlineMs = this.deadlinesMs.exec(timeoutSeconds);
    await this.channel.unary(runtimeCalls.checkpointContainer, request, deadlineMs, options);
  }

  async exec(request: ExecRequest, options?: RuntimeCallOptions): Promise<string> {
    return (await this.quick(runtimeCalls.exec, request, options)).url;
  }

  async attach(request: AttachRequest, options?: RuntimeCallOptions): Promise<string> {
    return (await this.quick(runtimeCalls.attach, request, options)).url;
  }

  async portForward(request: PortForwardRequest, options?: RuntimeCallOptions): Promise<string> {
    return (await this.quick(runtimeCalls.portForward, request, options)).url;
  }

  async containerStats(containerId: string, options?: RuntimeCallOptions) {
    return (await this.quick(runtimeCalls.containerStats, { containerId }, options)).stats;
  }

  async listContainerStats(filter: ContainerStatsFilter = {}, options?: RuntimeCallOptions) {
    return (await this.quick(runtimeCalls.listContainerStats, { filter }, options)).stats;
  }

  async podSandboxStats(podSandboxId: string, options?: RuntimeCallOptions) {
    return (await this.quick(runtimeCalls.podSandboxStats, { podSandboxId }, options)).stats;
  }

  async listPodSandboxStats(filter: PodSandboxStatsFilter = {}, options?: RuntimeCallOptions) {
    return (await this.quick(runtimeCalls.listPodSandboxStats, { filter }, options)).stats;
  }

  async listImages(image?: ImageSpec, options?: RuntimeCallOptions) {
    const request = image === undefined ? {} : { filter: { image } };
    return (await this.quick(imageCalls.listImages, request, options)).images;
  }

  async imageStatus(image: ImageSpec, options?: RuntimeCallOptions) {
    return (await this.quick(imageCalls.imageStatus, { image }, options)).image;
  }

  async pullImage(image: ImageSpec, options: PullImageOptions = {}): Promise<string> {
    const { auth, sandboxConfig } = options;
    const request = { image, auth, sandboxConfig };
    return (await this.channel.unary(imageCalls.pullImage, request, this.deadlinesMs.pullImage, options)).imageRef;
  }

  async removeImage(image: ImageSpec, options?: RuntimeCallOptions): Promise<void> {
    await absentIsDone(this.quick(imageCalls.removeImage, { image }, options));
  }

  imageFsInfo(options?: RuntimeCallOptions) {
    return this.quick(imageCalls.imageFsInfo, {}, options);
  }

  /** The runtime's own event stream; for ContainerEvents, which knows what to do where there is none. */
  containerEvents(options: StreamOptions): AsyncGenerator<Decoded<ContainerEventResponse>> {
    return this.channel.stream<GetEventsRequest, ContainerEventResponse>(runtimeCalls.getContainerEvents, {}, options);
  }

  /** The channel itself, for services that a runtime has beside CRI on the same socket. */
  stream<Req, Res>(method: GrpcMethod<Req, Res>, request: Req, options: StreamOptions): AsyncGenerator<Decoded<Res>> {
    return this.channel.stream(method, request, options);
  }

  private quick<Req, Res>(method: GrpcMethod<Req, Res>, request: Req, options?: RuntimeCallOptions) {
    return this.channel.unary(method, request, this.deadlinesMs.quick, options);
  }

  private unsupported(spoken: string, cause?: unknown): RuntimeError {
    const detail = `the runtime at ${this.socketPath} speaks ${spoken}; this needs CRI v1 (containerd 1.6 or newer, CRI-O 1.23 or newer)`;
    return new RuntimeError('Unimplemented', 'Version', detail, 0, { cause });
  }
}

async function absentIsDone(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
