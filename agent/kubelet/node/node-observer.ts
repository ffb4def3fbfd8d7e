/** Looks at what a node's status tells and that changes: its runtime, its disk, its images. */
import type { NodeFeatures, NodeRuntimeHandler } from '../../../proto/api/core-v1.ts';
import type { StatusResponse } from '../../../proto/cri/runtime.gen.ts';
import { errorText } from '../../../machinery/meta/error-text.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import { readFilesystemUsage } from '../../host/disk-usage.ts';
import type { PressureCondition } from '../eviction/plan/thresholds.ts';
import type { NodeImages } from '../images/node-images.ts';
import type { NodeObservation } from './plan/node-object.ts';
import type { RuntimeService } from '../runtime/runtime-service.ts';

export interface NodeObserverOptions {
  readonly clock: Clock;
  readonly runtime: RuntimeService;
  readonly images: Pick<NodeImages, 'current'>;
  /** Folder whose file system pods fill. */
  readonly root: string;
  readonly volumesInUse: () => readonly string[];
  /** What device plugins give. */
  readonly plugins: () => NodeObservation['plugins'];
  /** What the node is short of. */
  readonly pressure: () => readonly PressureCondition[];
  /** Further reasons not to be ready, in sentences. */
  readonly problems: () => readonly string[];
}

const RUNTIME_TIMEOUT_MS = 5_000;

/** What the runtime can. */
interface Abilities {
  readonly runtimeHandlers: readonly NodeRuntimeHandler[];
  readonly features: NodeFeatures | undefined;
}

export class NodeObserver {
  private readonly options: NodeObserverOptions;
  /** As the runtime said last: it has them while it is down as well. */
  private abilities: Abilities = { runtimeHandlers: [], features: undefined };

  constructor(options: NodeObserverOptions) {
    this.options = options;
  }

  /** @throws the signal's reason */
  async observe(signal: AbortSignal): Promise<NodeObservation> {
    const { clock, root, volumesInUse, problems } = this.options;
    const pressure = this.options.pressure();
    const [runtimeProblems, disk, images] = await Promise.all([
      this.askRuntime(signal),
      readFilesystemUsage(root).catch(() => undefined),
      this.options.images.current(signal),
    ]);
    return {
      diskBytes: disk?.capacityBytes ?? 0,
      images,
      ...this.abilities,
      volumesInUse: volumesInUse(),
      plugins: this.options.plugins(),
      notReady: [...runtimeProblems, ...problems()],
      pressure: {
        memory: pressure.includes('MemoryPressure'),
        disk: pressure.includes('DiskPressure'),
        pid: pressure.includes('PIDPressure'),
      },
      nowMs: clock.now(),
    };
  }

  private async askRuntime(signal: AbortSignal): Promise<string[]> {
    try {
      const answer = await this.options.runtime.status({ signal, timeoutMs: RUNTIME_TIMEOUT_MS });
      this.abilities = { runtimeHandlers: handlersOf(answer), features: featuresOf(answer) };
      return problemsOf(answer);
    } catch (error) {
      signal.throwIfAborted();
      return [`container runtime is down: ${errorText(error)}`];
    }
  }
}

function problemsOf({ status }: StatusResponse): string[] {
  return (status?.conditions ?? [])
    .filter(condition => !condition.status)
    .map(({ type, reason, message }) =>
      type === 'NetworkReady'
        ? `container runtime network not ready: NetworkReady=false reason:${reason} message:${message}`
        : `container runtime not ready: ${type}=false reason:${reason} message:${message}`,
    );
}

/** In the order of names: the runtime's own changes from call to call. */
function handlersOf({ runtimeHandlers = [] }: StatusResponse): NodeRuntimeHandler[] {
  return runtimeHandlers
    .map(({ name = '', features }) => ({
      name,
      features: {
        recursiveReadOnlyMounts: features?.recursiveReadOnlyMounts === true,
        userNamespaces: features?.userNamespaces === true,
      },
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function featuresOf({ features }: StatusResponse): NodeFeatures | undefined {
  return features === undefined ? undefined : { supplementalGroupsPolicy: features.supplementalGroupsPolicy === true };
}
