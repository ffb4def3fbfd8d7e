/**
 * A small device plugin, as vendors write them: it serves its devices on a socket of its own, makes itself known to the kubelet, and again
 * whenever the kubelet's socket is made anew.
 */
import { watch, type FSWatcher } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  Client,
  credentials,
  Server,
  ServerCredentials,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServerWritableStream,
} from '@grpc/grpc-js';
import {
  DevicePluginService,
  RegistrationService,
  type AllocateRequest,
  type AllocateResponse,
  type Device,
  type DeviceSpec,
  type Empty,
  type ListAndWatchResponse,
  type PreferredAllocationRequest,
  type PreferredAllocationResponse,
  type PreStartContainerRequest,
} from '../../proto/plugins/devices/device-plugin.gen.ts';

export interface PluginDevice {
  /** Device node on the host. */
  readonly hostPath: string;
  healthy: boolean;
}

export class DevicePlugin {
  /** Calls of the kubelet: `Allocate a,b`. */
  readonly calls: string[] = [];
  /** Allocate is never answered. */
  hangs = false;
  readonly devices: ReadonlyMap<string, PluginDevice>;
  private readonly folder: string;
  private readonly resource: string;
  private readonly socket: string;
  private server: Server | undefined;
  private watcher: FSWatcher | undefined;
  private readonly lists = new Set<ServerWritableStream<Empty, ListAndWatchResponse>>();

  /** @param folder `device-plugins` of the kubelet @param resource `example.com/null` */
  constructor(folder: string, resource: string, devices: ReadonlyMap<string, PluginDevice>) {
    this.folder = folder;
    this.resource = resource;
    this.devices = devices;
    this.socket = `${resource.replaceAll('/', '-')}.sock`;
  }

  async start(): Promise<void> {
    this.watcher = watch(this.folder, (_, name) => {
      if (name === 'kubelet.sock') void this.serve().catch(() => undefined);
    });
    await this.serve();
  }

  /** As if its process ended. */
  async stop(): Promise<void> {
    this.watcher?.close();
    this.server?.forceShutdown();
    this.server = undefined;
    this.lists.clear();
    await rm(join(this.folder, this.socket), { force: true });
  }

  setHealth(id: string, healthy: boolean): void {
    const device = this.devices.get(id);
    if (device === undefined) throw new Error(`the plugin has no device ${id}`);
    device.healthy = healthy;
    for (const list of this.lists) list.write(this.list());
  }

  /** Its socket is gone when the kubelet starts: it is made anew, too. */
  private async serve(): Promise<void> {
    this.server?.forceShutdown();
    const server = new Server();
    this.server = server;
    server.addService(DevicePluginService, {
      getDevicePluginOptions: (_: unknown, answer: sendUnaryData<object>) => answer(null, this.options),
      listAndWatch: (call: ServerWritableStream<Empty, ListAndWatchResponse>) => {
        this.lists.add(call);
        call.on('cancelled', () => this.lists.delete(call));
        call.write(this.list());
      },
      getPreferredAllocation: (
        { request }: ServerUnaryCall<PreferredAllocationRequest, PreferredAllocationResponse>,
        answer: sendUnaryData<PreferredAllocationResponse>,
      ) => {
        // The last ones, so that it shows that somebody asked.
        const { availableDeviceIDs = [], allocationSize = 0 } = request.containerRequests?.[0] ?? {};
        const deviceIDs = [...availableDeviceIDs].sort().reverse().slice(0, allocationSize);
        this.calls.push(`GetPreferredAllocation ${deviceIDs.join(',')}`);
        answer(null, { containerResponses: [{ deviceIDs }] });
      },
      allocate: (
        { request }: ServerUnaryCall<AllocateRequest, AllocateResponse>,
        answer: sendUnaryData<AllocateResponse>,
      ) => {
        const ids = request.containerRequests?.[0]?.devicesIds ?? [];
        this.calls.push(`Allocate ${[...ids].sort().join(',')}`);
        if (!this.hangs) answer(null, { containerResponses: [this.answerFor([...ids].sort())] });
      },
      preStartContainer: (
        { request }: ServerUnaryCall<PreStartContainerRequest, object>,
        answer: sendUnaryData<object>,
      ) => {
        this.calls.push(`PreStartContainer ${[...(request.devicesIds ?? [])].sort().join(',')}`);
        answer(null, {});
      },
    });
    await rm(join(this.folder, this.socket), { force: true });
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`unix:${join(this.folder, this.socket)}`, ServerCredentials.createInsecure(), error =>
        error === null ? resolve() : reject(error),
      );
    });
    await this.register();
  }

  private readonly options = { preStartRequired: true, getPreferredAllocationAvailable: true };

  private async register(): Promise<void> {
    const client = new Client(`unix:${join(this.folder, 'kubelet.sock')}`, credentials.createInsecure());
    const { path, requestSerialize, responseDeserialize } = RegistrationService.register;
    const request = {
      version: 'v1beta1',
      endpoint: this.socket,
      resourceName: this.resource,
      options: this.options,
    };
    try {
      await new Promise<void>((resolve, reject) => {
        client.waitForReady(Date.now() + 5_000, failure => {
          if (failure !== undefined) return reject(failure);
          client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, error =>
            error === null ? resolve() : reject(error),
          );
        });
      });
    } finally {
      client.close();
    }
  }

  private list(): ListAndWatchResponse {
    const devices = [...this.devices].map(([ID, { healthy }]): Device => ({
      ID,
      health: healthy ? 'Healthy' : 'Unhealthy',
    }));
    return { devices };
  }

  private answerFor(ids: readonly string[]) {
    const devices = ids.map((id): DeviceSpec => ({
      containerPath: `/dev/${id}`,
      hostPath: this.devices.get(id)?.hostPath ?? '',
      permissions: 'rw',
    }));
    return {
      devices,
      envs: { DEVICES: ids.join(','), OVERRIDDEN: 'by the plugin' },
      annotations: { 'example.com/devices': ids.join(',') },
      mounts: [],
      cdiDevices: [],
    };
  }
}
