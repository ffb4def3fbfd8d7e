/** As much of a device plugin as tests of the kubelet's side need. */
import { join } from 'node:path';
import { Server, ServerCredentials, type sendUnaryData, type ServerUnaryCall, type ServerWritableStream } from '@grpc/grpc-js';
import {
  DevicePluginService,
  RegistrationService,
  type AllocateRequest,
  type AllocateResponse,
  type Device,
  type Empty,
  type ListAndWatchResponse,
} from '../../../../proto/plugins/devices/device-plugin.gen.ts';
import { GrpcChannel } from '../grpc-channel.ts';

export class TestPlugin {
  readonly socketPath: string;
  /** Devices that were asked for, by call. */
  readonly asked: string[] = [];
  /** Answers wait until it resolves. */
  gate: Promise<void> = Promise.resolve();
  /** Sends its list again and again, as often as it is taken; how often so far. */
  isEndless = false;
  sent = 0;
  private readonly folder: string;
  private readonly devices: readonly Device[];
  private readonly server = new Server();

  constructor(folder: string, name: string, devices: readonly Device[]) {
    this.folder = folder;
    this.socketPath = join(folder, name);
    this.devices = devices;
  }

  async serve(): Promise<void> {
    this.server.addService(DevicePluginService, {
      getDevicePluginOptions: (_: unknown, answer: sendUnaryData<object>) => answer(null, {}),
      listAndWatch: (call: ServerWritableStream<Empty, ListAndWatchResponse>) => {
        const send = (): void => {
          do this.sent++;
          while (call.write({ devices: [...this.devices] }) && this.isEndless);
        };
        if (this.isEndless) call.on('drain', send);
        send();
      },
      getPreferredAllocation: (_: unknown, answer: sendUnaryData<object>) => answer(null, {}),
      allocate: (
        { request }: ServerUnaryCall<AllocateRequest, AllocateResponse>,
        answer: sendUnaryData<AllocateResponse>,
      ) => {
        const ids = request.containerRequests?.[0]?.devicesIds ?? [];
        this.asked.push(ids.join());
        void this.gate.then(() => answer(null, { containerResponses: [{ envs: { IDS: ids.join() } }] }));
      },
      preStartContainer: (_: unknown, answer: sendUnaryData<object>) => answer(null, {}),
    });
    await new Promise<void>((resolve, reject) => {
      this.server.bindAsync(`unix:${this.socketPath}`, ServerCredentials.createInsecure(), error =>
        error === null ? resolve() : reject(error),
      );
    });
  }

  /** @throws RuntimeError with what the kubelet answers */
  async register(resourceName: string, version = 'v1beta1'): Promise<void> {
    const channel = new GrpcChannel(join(this.folder, 'kubelet.sock'));
    const endpoint = this.socketPath.slice(this.folder.length + 1);
    try {
      await channel.unary(RegistrationService.register, { version, endpoint, resourceName, options: {} }, 5_000);
    } finally {
      channel.close();
    }
  }

  stop(): void {
    this.isEndless = false;
    this.server.forceShutdown();
  }
}
