/** One running device plugin: its list of devices as it changes, and the calls that it answers. Every call ends. */
import type { Decoded } from '../../../../proto/decoded.ts';
import {
  DevicePluginService as calls,
  type ContainerAllocateResponse,
  type DevicePluginOptions,
} from '../../../../proto/plugins/devices/device-plugin.gen.ts';
import { errorText } from '../../../../machinery/meta/error-text.ts';
import { GrpcChannel, type GrpcMethod } from '../../runtime/grpc-channel.ts';
import { RuntimeError } from '../../runtime/runtime-error.ts';
import { NotEnoughError } from '../plan/admission-failure.ts';
import type { DeviceView } from '../plan/device-choice.ts';

const QUICK_MS = 10_000;
/** Plugins may reset or program hardware; upstream waits for ever. */
const ALLOCATE_MS = 120_000;

export class DeviceEndpoint {
  readonly resource: string;
  readonly socketPath: string;
  private options: Decoded<DevicePluginOptions>;
  private readonly channel: GrpcChannel;
  private readonly ended = new AbortController();

  constructor(resource: string, socketPath: string, options: DevicePluginOptions | undefined) {
    this.resource = resource;
    this.socketPath = socketPath;
    this.options = {
      preStartRequired: options?.preStartRequired === true,
      getPreferredAllocationAvailable: options?.getPreferredAllocationAvailable === true,
    };
    this.channel = new GrpcChannel(socketPath);
  }

  get mustPrepareStart(): boolean {
    return this.options.preStartRequired;
  }

  get hasPreference(): boolean {
    return this.options.getPreferredAllocationAvailable;
  }

  get isStopped(): boolean {
    return this.ended.signal.aborted;
  }

  /**
   * Makes sure that it answers.
   * @param takeOptions what it says that it can counts: it has not said so when it registered
   * @throws RuntimeError
   */
  async connect(takeOptions: boolean): Promise<void> {
    const { signal } = this.ended;
    const options = await this.channel.unary(calls.getDevicePluginOptions, {}, QUICK_MS, { signal });
    if (takeOptions) this.options = options;
  }

  /**
   * Tells of the whole list whenever the plugin sends one; returns when the plugin goes, or `stop()` is called.
   * @param onDevices resolves when it can take the next list
   * @returns why the list ended
   */
  async watch(onDevices: (devices: readonly DeviceView[]) => Promise<void>): Promise<string> {
    try {
      for await (const { devices } of this.channel.stream(calls.listAndWatch, {}, { signal: this.ended.signal })) {
        await onDevices(
          devices.map(device => ({
            id: device.ID,
            healthy: device.health === 'Healthy',
            nodes: (device.topology?.nodes ?? []).map(node => node.ID),
          })),
        );
      }
      return 'the plugin ended its list of devices';
    } catch (error) {
      return errorText(error);
    }
  }

  /** @throws NotEnoughError that says what the plugin said, or the signal's reason */
  async preferred(
    available: readonly string[],
    mustInclude: readonly string[],
    size: number,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    const request = {
      containerRequests: [
        { availableDeviceIDs: [...available], mustIncludeDeviceIDs: [...mustInclude], allocationSize: size },
      ],
    };
    const { containerResponses } = await this.call(calls.getPreferredAllocation, request, QUICK_MS, signal);
    return containerResponses[0]?.deviceIDs ?? [];
  }

  /** As `preferred`. */
  async allocate(ids: readonly string[], signal: AbortSignal): Promise<Decoded<ContainerAllocateResponse>> {
    const request = { containerRequests: [{ devicesIds: [...ids] }] };
    const { containerResponses } = await this.call(calls.allocate, request, ALLOCATE_MS, signal);
    const [response] = containerResponses;
    if (response === undefined)
      throw new NotEnoughError(`no containers return in allocation response of device plugin ${this.resource}`);
    return response;
  }

  /** As `preferred`. */
  async prepareStart(ids: readonly string[], signal: AbortSignal): Promise<void> {
    await this.call(calls.preStartContainer, { devicesIds: [...ids] }, ALLOCATE_MS, signal);
  }

  /** Ends the list and lets go of the connection. */
  stop(): void {
    this.ended.abort(new Error('the kubelet let go of the plugin'));
    this.channel.close();
  }

  private async call<Req, Res>(
    method: GrpcMethod<Req, Res>,
    request: Req,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<Decoded<Res>> {
    const name = method.path.slice(method.path.lastIndexOf('/') + 1);
    const who = `device plugin ${this.resource} (${this.socketPath})`;
    try {
      return await this.channel.unary(method, request, timeoutMs, {
        signal: AbortSignal.any([signal, this.ended.signal]),
      });
    } catch (error) {
      signal.throwIfAborted();
      if (this.ended.signal.aborted) throw new NotEnoughError(`${who} went away during ${name}`, { cause: error });
      if (!(error instanceof RuntimeError)) throw error;
      const why =
        error.grpcCode === 'DeadlineExceeded'
          ? `no answer within ${timeoutMs / 1000} s`
          : `rpc error: code = ${error.grpcCode} desc = ${error.detail}`;
      throw new NotEnoughError(`${who} failed ${name}: ${why}`, { cause: error });
    }
  }
}
