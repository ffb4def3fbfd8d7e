/**
 * The CSI drivers of this node: those that have registered, and the CSINode that says so.
 * Source: kubernetes `pkg/volume/csi/csi_plugin.go`, RegistrationHandler.
 */
import type { Plugin, PluginHandler } from '../../plugins/plugin-handler.ts';
import { isNotFound, isTransient } from '../../../../machinery/meta/status-error-from.ts';
import type { Clock } from '../../../../machinery/process/clock.ts';
import type { Logger } from '../../../../machinery/process/logger.ts';
import type { NodeGetInfoResponse } from '../../../../proto/csi/csi.gen.ts';
import type { Decoded } from '../../../../proto/decoded.ts';
import type { StorageMetrics } from '../storage-metrics.ts';
import { CsiClient } from './csi-client.ts';
import type { NodeDrivers } from './node-drivers.ts';

export interface CsiDriversOptions {
  readonly node: NodeDrivers;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly storage: StorageMetrics;
  /** A driver can be asked from now on. Must not throw. */
  readonly onRegistered: (driver: string) => void;
}

type NodeInfo = Decoded<NodeGetInfoResponse>;

/** After a start of the kubelet, drivers that run register within moments. */
const PATIENCE_MS = 3_000;

export class CsiDrivers implements PluginHandler {
  private readonly options: CsiDriversOptions;
  private readonly clients = new Map<string, CsiClient>();
  private readonly waiting = new Set<() => void>();

  constructor(options: CsiDriversOptions) {
    this.options = options;
  }

  async register({ name, endpoint, versions }: Plugin, signal: AbortSignal): Promise<void> {
    if (!versions.some(version => /^v?1\./.test(version))) {
      const offered = versions.join(', ');
      throw new Error(
        `none of the CSI versions reported by this driver are supported: ${offered}; this kubelet speaks 1.x`,
      );
    }
    const client = new CsiClient(name, endpoint, this.options.storage);
    try {
      const info = await client.getInfo(signal);
      const toTell = await this.tell(name, info, signal);
      this.clients.get(name)?.close();
      this.clients.set(name, client);
      if (toTell) void this.keepTelling(client, info, signal);
    } catch (error) {
      client.close();
      throw error;
    }
    for (const wake of this.waiting) wake();
    this.options.onRegistered(name);
  }

  async deregister({ name, endpoint }: Plugin, signal: AbortSignal): Promise<void> {
    const client = this.clients.get(name);
    if (client === undefined || client.endpoint !== endpoint) return;
    await this.options.node.remove(name, signal);
    this.clients.delete(name);
    client.close();
  }

  /** @throws Error in upstream's words when no such driver has registered */
  async client(driver: string, signal: AbortSignal): Promise<CsiClient> {
    const known = this.clients.get(driver) ?? (await this.appearing(driver, signal));
    if (known !== undefined) return known;
    throw new Error(
      `kubernetes.io/csi: failed to get CSI client: driver name ${driver} not found in the list of registered CSI drivers`,
    );
  }

  /** Asks the driver again what it says of the node; of one that is gone, nothing. @throws CsiError, StatusError */
  async refresh(name: string, signal: AbortSignal): Promise<void> {
    const client = this.clients.get(name);
    if (client !== undefined) await this.options.node.add(name, await client.getInfo(signal), signal);
  }

  /** @returns whether it has to be told again: an API that is away stops no driver */
  private async tell(name: string, info: NodeInfo, signal: AbortSignal): Promise<boolean> {
    try {
      await this.options.node.add(name, info, signal);
      return false;
    } catch (error) {
      signal.throwIfAborted();
      if (isTransient(error) || isNotFound(error)) return true;
      throw error;
    }
  }

  private async keepTelling(client: CsiClient, info: NodeInfo, signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.options;
    const name = client.driver;
    for (let delayMs = 500; ; delayMs = Math.min(delayMs * 2, 30_000)) {
      await clock.sleep(delayMs, signal).catch(() => undefined);
      if (signal.aborted || this.clients.get(name) !== client) return;
      try {
        if (!(await this.tell(name, info, signal))) return;
      } catch (error) {
        if (!signal.aborted) logger.warn({ err: error, driver: name }, 'The API takes no word of a CSI driver');
        return;
      }
    }
  }

  private async appearing(driver: string, signal: AbortSignal): Promise<CsiClient | undefined> {
    const appeared = new AbortController();
    const look = (): void => {
      if (this.clients.has(driver)) appeared.abort();
    };
    this.waiting.add(look);
    await this.options.clock.sleep(PATIENCE_MS, AbortSignal.any([signal, appeared.signal])).catch(() => undefined);
    this.waiting.delete(look);
    signal.throwIfAborted();
    return this.clients.get(driver);
  }
}
