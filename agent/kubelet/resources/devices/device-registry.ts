/**
 * Device plugins that are there, were there a moment ago, or are expected again after a restart, and their devices.
 *
 * - The newest plugin of a resource takes the place of the one before.
 * - What a plugin that went had is capacity for five minutes more, and not allocatable; then its resource has none (upstream's rule).
 */
import type { Clock } from '../../../../machinery/process/clock.ts';
import type { Logger } from '../../../../machinery/process/logger.ts';
import type { DevicePluginOptions } from '../../../../proto/plugins/devices/device-plugin.gen.ts';
import { errorText } from '../../../../machinery/meta/error-text.ts';
import { isUnavailable } from '../../runtime/runtime-error.ts';
import type { DeviceView } from '../plan/device-choice.ts';
import { deviceAmounts, type DeviceResource } from '../plan/device-state.ts';
import { DeviceEndpoint } from './device-endpoint.ts';

const AWAY_MS = 300_000;
/** After a restart of the kubelet, before pods are refused for want of devices. */
const COME_BACK_MS = 15_000;
const MEET_MS = 10_000;
const MEET_AGAIN_MS = 250;
/** Each list is written down, and pods look at it: a plugin that sends them without end has to wait. */
const NEXT_LIST_MS = 100;

interface Entry {
  endpoint: DeviceEndpoint | undefined;
  devices: ReadonlyMap<string, DeviceView>;
  /** Ends the wait for a plugin that is away. */
  cancelWait: () => void;
  /** Of a plugin that has not come back since the kubelet restarted: resolves once it has, or is late. */
  readonly back?: Promise<void>;
}

export interface DeviceRegistryOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** A plugin of the resource made itself known. */
  readonly onPlugin: (resource: string) => void;
  /** Devices of the resource came, went, or changed their health. */
  readonly onChange: (resource: string) => void;
}

export class DeviceRegistry {
  private readonly options: DeviceRegistryOptions;
  private readonly entries = new Map<string, Entry>();
  private readonly comeBack = new Map<string, () => void>();
  /** Resources whose plugin stayed away: the node has none, and says so. */
  private readonly forgotten = new Set<string>();

  constructor(options: DeviceRegistryOptions) {
    this.options = options;
  }

  /** What is known of each resource. */
  resources(): Map<string, DeviceResource> {
    return new Map(
      [...this.entries.keys()].flatMap(name => {
        const resource = this.resource(name);
        return resource === undefined ? [] : [[name, resource] as const];
      }),
    );
  }

  resource(name: string): DeviceResource | undefined {
    const entry = this.entries.get(name);
    return entry === undefined ? undefined : { devices: entry.devices, connected: entry.endpoint !== undefined };
  }

  endpoint(resource: string): DeviceEndpoint | undefined {
    return this.entries.get(resource)?.endpoint;
  }

  /** For the node's status. */
  amounts(): { readonly capacity: Record<string, string>; readonly allocatable: Record<string, string> } {
    const { capacity, allocatable } = deviceAmounts(this.resources());
    const none = Object.fromEntries([...this.forgotten].map(name => [name, '0']));
    return { capacity: { ...none, ...capacity }, allocatable: { ...none, ...allocatable } };
  }

  /** A resource that had a plugin before the kubelet restarted: the plugin has five minutes to come back. */
  expect(resource: string): void {
    if (this.entries.has(resource)) return;
    const back = new Promise<void>(resolve => {
      this.comeBack.set(resource, resolve);
      this.options.clock.after(COME_BACK_MS, resolve);
    });
    this.entries.set(resource, {
      endpoint: undefined,
      devices: new Map(),
      cancelWait: this.awaitReturn(resource),
      back,
    });
  }

  /** Plugins need a moment to notice that the kubelet restarted. Resolves at once if that is long ago. */
  async settled(resource: string): Promise<void> {
    await this.entries.get(resource)?.back;
  }

  /** Begins to watch a plugin's devices. @param options undefined: it is asked */
  connect(resource: string, socketPath: string, options: DevicePluginOptions | undefined): void {
    const before = this.entries.get(resource);
    const endpoint = new DeviceEndpoint(resource, socketPath, options);
    this.options.onPlugin(resource);
    this.forgotten.delete(resource);
    before?.cancelWait();
    // Its devices stay known until the new list: pods that have some are not to lose them for a moment.
    const { devices = new Map<string, DeviceView>(), back } = before ?? {};
    const kept = back === undefined ? {} : { back };
    this.entries.set(resource, { endpoint, devices, cancelWait: () => undefined, ...kept });
    before?.endpoint?.stop();
    void this.follow(endpoint, options === undefined);
  }

  /** Lets go of a plugin that said goodbye. @param socketPath of that very plugin: a newer one stays */
  disconnect(resource: string, socketPath: string): void {
    const endpoint = this.endpoint(resource);
    if (endpoint?.socketPath === socketPath) endpoint.stop();
  }

  stop(): void {
    for (const { endpoint, cancelWait } of this.entries.values()) {
      endpoint?.stop();
      cancelWait();
    }
  }

  private async follow(endpoint: DeviceEndpoint, askOptions: boolean): Promise<void> {
    const { logger } = this.options;
    const { resource } = endpoint;
    let why: string;
    try {
      await this.meet(endpoint, askOptions);
      why = await endpoint.watch(async devices => {
        this.listed(endpoint, devices);
        await this.options.clock.sleep(NEXT_LIST_MS);
      });
    } catch (error) {
      why = errorText(error);
    }
    endpoint.stop();
    const entry = this.entries.get(resource);
    if (entry?.endpoint !== endpoint) return;
    logger.warn({ resource, socket: endpoint.socketPath, cause: why }, 'A device plugin is away');
    entry.endpoint = undefined;
    entry.cancelWait = this.awaitReturn(resource);
    this.options.onChange(resource);
  }

  /** Plugins that register before they listen get a moment. @throws RuntimeError */
  private async meet(endpoint: DeviceEndpoint, askOptions: boolean): Promise<void> {
    const { clock } = this.options;
    const untilMs = clock.monotonicMs() + MEET_MS;
    for (;;) {
      try {
        return await endpoint.connect(askOptions);
      } catch (error) {
        if (!isUnavailable(error) || endpoint.isStopped || clock.monotonicMs() >= untilMs) throw error;
        await clock.sleep(MEET_AGAIN_MS);
      }
    }
  }

  private listed(endpoint: DeviceEndpoint, devices: readonly DeviceView[]): void {
    const entry = this.entries.get(endpoint.resource);
    if (entry?.endpoint !== endpoint) return;
    entry.devices = new Map(devices.map(device => [device.id, device]));
    this.comeBack.get(endpoint.resource)?.();
    this.comeBack.delete(endpoint.resource);
    this.options.onChange(endpoint.resource);
  }

  private awaitReturn(resource: string): () => void {
    return this.options.clock.after(AWAY_MS, () => {
      this.entries.delete(resource);
      this.forgotten.add(resource);
      this.options.onChange(resource);
    });
  }
}
