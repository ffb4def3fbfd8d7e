/**
 * One CSI driver's node service.
 *
 * - Every call has a deadline: a driver that hangs costs its own volumes only. Source: upstream's two minutes a call.
 * - Failures are CsiError: they say which driver, which call, and whether the driver may go on with it.
 */
import type { Decoded } from '../../../../proto/decoded.ts';
import {
  NodeServiceCapability_RPC_Type as Capability,
  NodeService,
  type NodeExpandVolumeRequest,
  type NodeGetInfoResponse,
  type NodeGetVolumeStatsRequest,
  type NodeGetVolumeStatsResponse,
  type NodePublishVolumeRequest,
  type NodeStageVolumeRequest,
} from '../../../../proto/csi/csi.gen.ts';
import { GrpcChannel, type GrpcMethod } from '../../runtime/grpc-channel.ts';
import type { StorageMetrics } from '../storage-metrics.ts';
import { RuntimeError, type GrpcCode } from '../../runtime/runtime-error.ts';

/** The driver may still be at it: only its undoing call tells. Source: upstream's `IsFinalError`. */
const UNCERTAIN = new Set<GrpcCode>(['Canceled', 'DeadlineExceeded', 'Unavailable', 'ResourceExhausted', 'Aborted']);
/** What no repetition of the same call cures. */
const INFEASIBLE = new Set<GrpcCode>([
  'InvalidArgument',
  'OutOfRange',
  'NotFound',
  'FailedPrecondition',
  'Unimplemented',
]);

const TIMEOUT_MS = 120_000;
/** For measurements, which somebody waits for. */
const STATS_TIMEOUT_MS = 10_000;

export class CsiError extends Error {
  override readonly name = 'CsiError';
  readonly driver: string;
  readonly grpcCode: GrpcCode;

  constructor(driver: string, cause: RuntimeError) {
    const seconds = cause.durationMs >= 1000 ? ` after ${Math.round(cause.durationMs / 1000)} s` : '';
    // The first words are upstream's, which people search for.
    const what = `rpc error: code = ${cause.grpcCode} desc = ${cause.detail}`;
    super(`${what} (CSI driver ${driver}, ${cause.method}${seconds})`, { cause });
    this.driver = driver;
    this.grpcCode = cause.grpcCode;
  }

  get isUncertain(): boolean {
    return UNCERTAIN.has(this.grpcCode);
  }

  get isInfeasible(): boolean {
    return INFEASIBLE.has(this.grpcCode);
  }
}

export type NodeCapability = Exclude<keyof typeof Capability, 'UNKNOWN'>;

export class CsiClient {
  readonly driver: string;
  readonly endpoint: string;
  private readonly channel: GrpcChannel;
  private readonly storage: StorageMetrics;
  private capabilities: Promise<ReadonlySet<number>> | undefined;

  /** @param endpoint the driver's socket, absolute */
  constructor(driver: string, endpoint: string, storage: StorageMetrics) {
    this.driver = driver;
    this.endpoint = endpoint;
    this.storage = storage;
    this.channel = new GrpcChannel(endpoint);
  }

  close(): void {
    this.channel.close();
  }

  getInfo(signal: AbortSignal): Promise<Decoded<NodeGetInfoResponse>> {
    return this.call(NodeService.nodeGetInfo, {}, signal);
  }

  /** Asked once a registration. */
  async can(capability: NodeCapability, signal: AbortSignal): Promise<boolean> {
    this.capabilities ??= this.call(NodeService.nodeGetCapabilities, {}, signal).then(
      answer => new Set(answer.capabilities.map(({ rpc }) => rpc?.type ?? Capability.UNKNOWN)),
    );
    try {
      return (await this.capabilities).has(Capability[capability]);
    } catch (error) {
      this.capabilities = undefined;
      throw error;
    }
  }

  async stage(request: NodeStageVolumeRequest, signal: AbortSignal): Promise<void> {
    await this.call(NodeService.nodeStageVolume, request, signal);
  }

  async unstage(volumeId: string, stagingTargetPath: string, signal: AbortSignal): Promise<void> {
    await this.call(NodeService.nodeUnstageVolume, { volumeId, stagingTargetPath }, signal);
  }

  async publish(request: NodePublishVolumeRequest, signal: AbortSignal): Promise<void> {
    await this.call(NodeService.nodePublishVolume, request, signal);
  }

  async unpublish(volumeId: string, targetPath: string, signal: AbortSignal): Promise<void> {
    await this.call(NodeService.nodeUnpublishVolume, { volumeId, targetPath }, signal);
  }

  /** Gives the new size in bytes; 0: the driver does not say. */
  async expand(request: NodeExpandVolumeRequest, signal: AbortSignal): Promise<bigint> {
    return (await this.call(NodeService.nodeExpandVolume, request, signal)).capacityBytes;
  }

  stats(request: NodeGetVolumeStatsRequest, signal: AbortSignal): Promise<Decoded<NodeGetVolumeStatsResponse>> {
    return this.call(NodeService.nodeGetVolumeStats, request, signal, STATS_TIMEOUT_MS);
  }

  private async call<Req, Res>(
    method: GrpcMethod<Req, Res>,
    request: Req,
    signal: AbortSignal,
    timeoutMs = TIMEOUT_MS,
  ): Promise<Decoded<Res>> {
    const startedMs = performance.now();
    let code: GrpcCode = 'OK';
    try {
      return await this.channel.unary(method, request, timeoutMs, { signal });
    } catch (error) {
      code = error instanceof RuntimeError ? error.grpcCode : 'Canceled';
      if (error instanceof RuntimeError) throw new CsiError(this.driver, error);
      throw error;
    } finally {
      this.storage.csiCall(this.driver, method.path, code, (performance.now() - startedMs) / 1000);
    }
  }
}
