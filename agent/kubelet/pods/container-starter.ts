/**
 * Makes and starts one container in a ready sandbox.
 *
 * Each failure is a StartError with the reason that the container's status shows, and has been told as an event.
 * Source: kubernetes 1.36 `pkg/kubelet/kuberuntime/kuberuntime_container.go`, startContainer.
 */
import { errorText } from '../../../machinery/meta/error-text.ts';
import type { EventSubject } from '../../../machinery/client/event-recorder.ts';
import type { ContainerConfig } from '../../../proto/cri/runtime.gen.ts';
import { containerLogLink, podLogFolder } from '../plan/pod-paths.ts';
import { uidOf } from '../plan/pod-spec.ts';
import type { PodCache } from '../pleg/pod-cache.ts';
import { detailOf } from '../runtime/runtime-error.ts';
import type { RuntimeService } from '../runtime/runtime-service.ts';
import { VolumeError } from '../volumes/volume-manager.ts';
import {
  ContainerConfigurer,
  type ContainerConfigurerOptions,
  type StartContainerInput,
} from './container-configurer.ts';
import { linkLog } from './container-files.ts';
import type { Stage, StageWatch } from './slow-stages.ts';

/** Why a container could not be started; the status shows `reason` and `message`. */
export class StartError extends Error {
  override readonly name = 'StartError';
  readonly reason: string;

  constructor(reason: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

export interface ContainerStarterOptions extends ContainerConfigurerOptions {
  readonly runtime: RuntimeService;
  readonly cache: PodCache;
  readonly stages: StageWatch;
}

export class ContainerStarter {
  private readonly options: ContainerStarterOptions;
  private readonly configurer: ContainerConfigurer;

  constructor(options: ContainerStarterOptions) {
    this.options = options;
    this.configurer = new ContainerConfigurer(options);
  }

  /** Gives the id of the container, which runs. @throws StartError, or the signal's reason */
  async start(input: StartContainerInput, signal: AbortSignal): Promise<string> {
    const { runtime, cache, recorder, folders, stages } = this.options;
    const { pod, start, sandbox, subject } = input;
    const { container, attempt } = start;
    let config: ContainerConfig;
    try {
      config = await this.configurer.configure(input, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      if (error instanceof VolumeError) {
        recorder.event(subject, 'Warning', error.reason, error.message);
        throw new StartError('CreateContainerConfigError', error.message, { cause: error });
      }
      const message = errorText(error);
      recorder.event(subject, 'Warning', 'Failed', `Error: ${message}`);
      throw new StartError('CreateContainerConfigError', message, { cause: error });
    }
    let id: string;
    try {
      id = await stages.watch(hangs('Creating', container.name, subject), () =>
        runtime.createContainer(sandbox.id, config, input.sandboxConfig),
      );
    } catch (error) {
      const detail = detailOf(error);
      recorder.event(subject, 'Warning', 'Failed', `Error: ${detail}`);
      throw new StartError('CreateContainerError', detail, { cause: error });
    }
    const { namespace = '', name = '' } = pod.metadata;
    const logPath = `${podLogFolder(folders, pod)}/${config.logPath ?? ''}`;
    cache.addContainer(
      { uid: uidOf(pod), namespace, name },
      {
        id,
        name: container.name,
        sandboxId: sandbox.id,
        state: 'created',
        attempt,
        image: container.image ?? '',
        imageRef: input.image.id,
        createdAtMs: Date.now(),
        startedAtMs: 0,
        finishedAtMs: 0,
        exitCode: 0,
        reason: '',
        message: '',
        hash: '',
        logPath,
        annotations: config.annotations ?? {},
      },
    );
    recorder.event(subject, 'Normal', 'Created', 'Container created');
    try {
      await stages.watch(hangs('Starting', container.name, subject), () =>
        cache.during(id, 'start', () => runtime.startContainer(id)),
      );
    } catch (error) {
      const detail = detailOf(error);
      recorder.event(subject, 'Warning', 'Failed', `Error: ${detail}`);
      await cache.refreshContainer(id).catch(() => undefined);
      throw new StartError('RunContainerError', detail, { cause: error });
    }
    recorder.event(subject, 'Normal', 'Started', 'Container started');
    // The link only helps log shippers: it must not hold the pod back, nor fail it.
    void linkLog(containerLogLink(folders, pod, container.name, id), logPath);
    await cache.refreshContainer(id).catch(() => undefined);
    return id;
  }
}

function hangs(verb: string, name: string, subject: EventSubject): Stage {
  const waitsFor = 'the container runtime does not answer; see its log';
  return { subject, doing: `${verb} container ${name}`, waitsFor };
}
