/** Calls to device plugins on behalf of a pod: one that hangs is told of at the pod, which it alone holds up. */
import type { Pod } from '../../../../proto/api/core-v1.ts';
import { subjectOf } from '../../../../machinery/client/event-recorder.ts';
import { pods } from '../../../../machinery/client/resource.ts';
import type { Logger } from '../../../../machinery/process/logger.ts';
import type { StageWatch } from '../../pods/slow-stages.ts';
import type { DeviceChoice } from '../plan/device-choice.ts';
import type { ResourceMetrics } from '../resource-metrics.ts';
import type { DeviceEndpoint } from './device-endpoint.ts';

export interface PluginCallsOptions {
  readonly logger: Logger;
  readonly stages: StageWatch;
  readonly metrics: ResourceMetrics;
}

type AllocateAnswer = Awaited<ReturnType<DeviceEndpoint['allocate']>>;

/** After this a person should know. */
const USUAL_MS = 10_000;

export class PluginCalls {
  private readonly options: PluginCallsOptions;

  constructor(options: PluginCallsOptions) {
    this.options = options;
  }

  /** @throws as the endpoint does */
  async allocate(
    pod: Pod,
    endpoint: DeviceEndpoint,
    ids: readonly string[],
    signal: AbortSignal,
  ): Promise<AllocateAnswer> {
    const startedMs = performance.now();
    const response = await this.watched(pod, endpoint, 'Allocate', () => endpoint.allocate(ids, signal));
    this.options.metrics.allocated(endpoint.resource, (performance.now() - startedMs) / 1000);
    return response;
  }

  /** Tells plugins that want to know of a start. @throws as the endpoint does */
  async prepareStart(pod: Pod, endpoint: DeviceEndpoint, ids: readonly string[], signal: AbortSignal): Promise<void> {
    if (!endpoint.mustPrepareStart) return;
    await this.watched(pod, endpoint, 'PreStartContainer', () => endpoint.prepareStart(ids, signal));
  }

  /** Ids that the plugin would rather give. Only a wish: a plugin that cannot tell it is not asked again. @throws the signal's reason */
  async preferred(
    pod: Pod,
    endpoint: DeviceEndpoint,
    choice: DeviceChoice,
    count: number,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    if (!choice.isOpen || !endpoint.hasPreference) return [];
    try {
      const available = [...choice.sure, ...choice.candidates];
      return await endpoint.preferred(available, choice.sure, count, signal);
    } catch (error) {
      signal.throwIfAborted();
      const what = 'A device plugin does not say which devices it prefers; choosing without it';
      this.options.logger.warn({ err: error, resource: endpoint.resource, pod: pod.metadata.name }, what);
      return [];
    }
  }

  private watched<T>(pod: Pod, endpoint: DeviceEndpoint, method: string, act: () => Promise<T>): Promise<T> {
    const { resource, socketPath } = endpoint;
    const stage = {
      subject: subjectOf(pods, pod),
      doing: `Asking for devices ${resource}`,
      waitsFor: `the device plugin at ${socketPath} does not answer ${method}; look at its log, and restart it`,
      usualMs: USUAL_MS,
    };
    return this.options.stages.watch(stage, act);
  }
}
