/**
 * Finds plugins by their sockets in `plugins_registry`, asks each who it is, hands it to the handler of its type, and tells it how that went.
 *
 * - A socket that is bound anew is a plugin that started anew: it is registered again. One that is removed deregisters its plugin;
 *   one whose process died without a word stays registered, since its volumes are still there.
 * - A plugin that does not answer, or whose registration fails, is tried again with back-off and holds up nobody else.
 * Source: kubernetes `pkg/kubelet/pluginmanager`; kubelet API pluginregistration.v1.
 */
import { mkdir } from 'node:fs/promises';
import type { Reconciler, ReconcileResult } from '../../../machinery/client/reconcile.ts';
import { runReconciler } from '../../../machinery/client/run-reconciler.ts';
import { WorkQueue } from '../../../machinery/client/work-queue.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Component } from '../../../machinery/process/component.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import { RegistrationService } from '../../../proto/plugins/registration/registration.gen.ts';
import { errorText } from '../../../machinery/meta/error-text.ts';
import { GrpcChannel } from '../runtime/grpc-channel.ts';
import type { Plugin, PluginHandler } from './plugin-handler.ts';
import { socketIdentity, watchSockets } from './plugin-sockets.ts';

export interface PluginWatcherOptions {
  /** `plugins_registry`, absolute; made if missing. */
  readonly folder: string;
  /** By the type that plugins name: `CSIPlugin`, `DevicePlugin`. */
  readonly handlers: Readonly<Record<string, PluginHandler>>;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Registered {
  readonly plugin: Plugin;
  readonly type: string;
  readonly identity: string;
}

const CALL_TIMEOUT_MS = 10_000;
const BACKOFF = { baseDelayMs: 500, maxDelayMs: 120_000 };
/** Each that hangs has one for minutes. */
const WORKERS = 64;

export class PluginWatcher implements Component, Reconciler {
  readonly name = 'plugin-watcher';
  private readonly options: PluginWatcherOptions;
  private readonly queue: WorkQueue;
  /** By socket. */
  private readonly registered = new Map<string, Registered>();

  constructor(options: PluginWatcherOptions) {
    this.options = options;
    this.queue = new WorkQueue({ clock: options.clock, ...BACKOFF });
  }

  ready(): Promise<void> {
    return Promise.resolve();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { folder, clock, logger } = this.options;
    await mkdir(folder, { recursive: true, mode: 0o750 });
    const onSockets = (paths: readonly string[]): void => {
      for (const path of new Set([...paths, ...this.registered.keys()])) this.queue.add(path);
    };
    watchSockets(folder, clock, onSockets, signal);
    await runReconciler(
      { name: 'plugin-registration', queue: this.queue, reconciler: this, workers: WORKERS, clock, logger },
      signal,
    );
  }

  /** @param path of a registration socket */
  async reconcile(path: string, signal: AbortSignal): Promise<ReconcileResult> {
    const known = this.registered.get(path);
    const identity = await socketIdentity(path);
    if (known !== undefined && identity === known.identity) return 'awaitChange';
    if (identity === undefined) {
      if (known !== undefined) await this.deregister(path, known, signal);
      return 'awaitChange';
    }
    await this.introduce(path, identity, known, signal);
    return 'awaitChange';
  }

  private async introduce(
    path: string,
    identity: string,
    known: Registered | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const channel = new GrpcChannel(path);
    try {
      const info = await channel.unary(RegistrationService.getInfo, {}, CALL_TIMEOUT_MS, { signal });
      const { type, name, supportedVersions: versions } = info;
      const plugin = { name, endpoint: info.endpoint === '' ? path : info.endpoint, versions };
      // Another plugin has taken the socket over.
      if (known !== undefined && (known.type !== type || known.plugin.name !== name))
        await this.deregister(path, known, signal);
      let error = '';
      try {
        await this.register(type, plugin, signal);
      } catch (cause) {
        signal.throwIfAborted();
        error = errorText(cause);
      }
      // What was registered works, whether or not it hears of it.
      if (error === '') this.registered.set(path, { plugin, type, identity });
      const status = { pluginRegistered: error === '', error };
      await channel.unary(RegistrationService.notifyRegistrationStatus, status, CALL_TIMEOUT_MS, { signal });
      if (error !== '') throw new Error(`plugin ${name} at ${path} is not registered: ${error}`);
      this.options.logger.info({ plugin: name, type, endpoint: plugin.endpoint, versions }, 'A plugin is registered');
    } finally {
      channel.close();
    }
  }

  private register(type: string, plugin: Plugin, signal: AbortSignal): Promise<void> {
    const handler = this.options.handlers[type];
    if (handler !== undefined) return handler.register(plugin, signal);
    const known = Object.keys(this.options.handlers).join(', ');
    throw new Error(`no handler registered for plugin type: ${type}; this kubelet takes ${known}`);
  }

  private async deregister(path: string, known: Registered, signal: AbortSignal): Promise<void> {
    await this.options.handlers[known.type]?.deregister(known.plugin, signal);
    this.registered.delete(path);
    this.options.logger.info({ plugin: known.plugin.name, type: known.type }, 'A plugin is gone');
  }
}
