/**
 * Starts a pod's containers: volumes, control group, sandbox and images go on at the same time; containers then start in the order of the
 * spec.
 *
 * - It never waits for a pull: the end of one brings the worker back.
 * - A container that cannot start keeps its reason in the status and delays no other main container.
 */
import type { Container, Pod } from '../../../proto/api/core-v1.ts';
import { subjectOf, type EventSink } from '../../../machinery/client/event-recorder.ts';
import { pods } from '../../../machinery/client/resource.ts';
import { errorText } from '../../../machinery/meta/error-text.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { ImageManager, ImageState } from '../images/image-manager.ts';
import type { OnPodAddresses } from '../kubelet-options.ts';
import type { HookRunner } from '../lifecycle/hook-runner.ts';
import type { PodCache } from '../pleg/pod-cache.ts';
import type { ContainerStart, PodActions } from '../plan/pod-actions.ts';
import { gracePeriodSeconds } from '../plan/pod-spec.ts';
import { detailOf, isUnavailable } from '../runtime/runtime-error.ts';
import type { RuntimeService } from '../runtime/runtime-service.ts';
import type { PodWorkMetrics } from '../stats/pod-work-metrics.ts';
import { VolumeError, type PreparedVolumes, type VolumeManager } from '../volumes/volume-manager.ts';
import { abandonOnAbort } from './abandon.ts';
import type { ContainerKiller } from './container-killer.ts';
import { containerSubject } from './container-subject.ts';
import { StartError, type ContainerStarter } from './container-starter.ts';
import { earliest } from './earliest.ts';
import type { PodRecord } from './pod-record.ts';
import type { SandboxStarter, StartedSandbox } from './sandbox-starter.ts';
import { keyOf } from '../../../machinery/meta/object.ts';

export interface PodStarterOptions {
  readonly runtime: RuntimeService;
  readonly cache: PodCache;
  readonly volumes: VolumeManager;
  readonly images: ImageManager;
  readonly sandboxes: SandboxStarter;
  readonly containers: ContainerStarter;
  readonly killer: ContainerKiller;
  readonly hooks: HookRunner;
  /** See KubeletOptions. */
  readonly onPodAddresses?: OnPodAddresses | undefined;
  readonly recorder: EventSink;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly work: Pick<PodWorkMetrics, 'containerFailed'>;
}

const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 15_000;

export class PodStarter {
  private readonly options: PodStarterOptions;

  constructor(options: PodStarterOptions) {
    this.options = options;
  }

  /** @returns when to come back, if nothing else brings the worker back */
  async start(record: PodRecord, actions: PodActions, signal: AbortSignal): Promise<number | undefined> {
    const { images } = this.options;
    const { pod } = record;
    await this.removeUnused(actions, signal);
    // Looked at while the sandbox is made; a pull begins now and ends by itself.
    const imageStates = new Map(
      actions.start.map(({ container }) => [container.name, this.ensureImage(images, pod, container)] as const),
    );
    for (const state of imageStates.values()) state.catch(() => undefined);
    let sandbox: StartedSandbox;
    let volumes: PreparedVolumes;
    try {
      [volumes, sandbox] = await this.prepare(record, actions, signal);
      await this.options.onPodAddresses?.(pod, sandbox.view.ips, signal);
      record.failures = 0;
    } catch (error) {
      if (signal.aborted) throw error;
      return this.afterFailure(record, error);
    }
    let retryMs: number | undefined;
    for (const start of actions.start) {
      signal.throwIfAborted();
      const asked = imageStates.get(start.container.name) ?? this.ensureImage(images, pod, start.container);
      const state = await abandonOnAbort(asked, signal);
      const one = await this.startOne(record, start, state, sandbox, volumes, signal);
      retryMs = earliest(retryMs, one.retryMs);
      if (!one.started && (start.role === 'init' || start.role === 'sidecar')) break;
    }
    return retryMs;
  }

  private ensureImage(images: ImageManager, pod: Pod, container: Container): Promise<ImageState> {
    return images.ensure(pod, container, containerSubject(pod, container.name));
  }

  private async removeUnused(actions: PodActions, signal: AbortSignal): Promise<void> {
    const { runtime, cache } = this.options;
    await Promise.all(
      actions.remove.map(async ({ id }) => {
        await abandonOnAbort(runtime.removeContainer(id), signal);
        cache.drop(id);
      }),
    );
  }

  private async prepare(
    record: PodRecord,
    actions: PodActions,
    signal: AbortSignal,
  ): Promise<[PreparedVolumes, StartedSandbox]> {
    const { volumes, sandboxes } = this.options;
    const { pod } = record;
    const stop = new AbortController();
    const both = AbortSignal.any([signal, stop.signal]);
    const sandbox = async (): Promise<StartedSandbox> => {
      if (actions.createSandbox !== undefined) {
        if (actions.createSandbox > 0) {
          const message = 'Pod sandbox changed, it will be killed and re-created.';
          this.options.recorder.event(subjectOf(pods, pod), 'Normal', 'SandboxChanged', message);
        }
        const started = await sandboxes.start(pod, actions.createSandbox, signal).catch((error: unknown) => {
          record.uncertain = true;
          throw new SandboxError(error);
        });
        record.sandboxConfig = started.config;
        return started;
      }
      const view = actions.sandbox;
      if (view === undefined) throw new Error('the plan names no sandbox');
      const config = (record.sandboxConfig ??= await sandboxes.configFor(pod, view.attempt));
      return { view, config };
    };
    const mounting = volumes.prepare(pod, both);
    const made = sandbox();
    made.catch(() => stop.abort());
    const [prepared, started] = await Promise.allSettled([mounting, made]);
    signal.throwIfAborted();
    if (started.status === 'rejected') throw started.reason;
    if (prepared.status === 'rejected') throw prepared.reason;
    return [prepared.value, started.value];
  }

  private afterFailure(record: PodRecord, error: unknown): number {
    const { recorder, logger } = this.options;
    const subject = subjectOf(pods, record.pod);
    const retryMs = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(10, record.failures++));
    const cause = error instanceof SandboxError ? error.cause : error;
    const detail = detailOf(cause);
    // The event tells people; the log is for those who look for more.
    logger.info({ cause: detail, pod: keyOf(record.pod), retryMs }, 'Cannot prepare a pod; trying again');
    if (isUnavailable(cause)) return FIRST_RETRY_MS;
    if (error instanceof VolumeError) recorder.event(subject, 'Warning', error.reason, error.message);
    else if (error instanceof SandboxError) {
      recorder.event(subject, 'Warning', 'FailedCreatePodSandBox', `Failed to create pod sandbox: ${detail}`);
    } else recorder.event(subject, 'Warning', 'FailedSync', `Error: ${detail}`);
    return retryMs;
  }

  private async startOne(
    record: PodRecord,
    start: ContainerStart,
    image: ImageState,
    sandbox: StartedSandbox,
    volumes: PreparedVolumes,
    signal: AbortSignal,
  ): Promise<{ started: boolean; retryMs: number | undefined }> {
    const { containers, clock, work } = this.options;
    const { container } = start;
    const { waiting } = record;
    if (image.kind === 'pulling') {
      // The last failure stays in sight while it is tried again.
      return { started: false, retryMs: undefined };
    }
    if (image.kind === 'waiting') {
      waiting.set(container.name, { reason: image.reason, message: image.message });
      work.containerFailed(start.role, image.reason);
      const retryAtMs = image.retryAtMs ?? clock.now() + MAX_RETRY_MS;
      return { started: false, retryMs: retryAtMs - clock.now() };
    }
    const subject = containerSubject(record.pod, container.name);
    const view = sandbox.view;
    const targetId = start.role === 'ephemeral' ? this.targetOf(record, container.name) : '';
    if (targetId === undefined) {
      const message = `unable to find the target container of ${container.name}, or it does not run`;
      this.options.recorder.event(subject, 'Warning', 'Failed', `Error: ${message}`);
      waiting.set(container.name, { reason: 'CreateContainerConfigError', message });
      work.containerFailed(start.role, 'CreateContainerConfigError');
      return { started: false, retryMs: MAX_RETRY_MS };
    }
    this.options.images.use(record.pod, container.image ?? '', subject, image);
    const input = {
      pod: record.pod,
      start,
      sandbox: view,
      sandboxConfig: sandbox.config,
      volumes,
      image: image.image,
      subject,
      targetId,
    };
    const hasHook = container.lifecycle?.postStart !== undefined;
    try {
      const id = await abandonOnAbort(containers.start(input, signal), signal).catch((error: unknown) => {
        if (signal.aborted) record.uncertain = true;
        throw error;
      });
      waiting.delete(container.name);
      if (hasHook) await this.postStart(record, container, id, view.ips[0] ?? '', signal);
      return { started: true, retryMs: undefined };
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      waiting.set(container.name, { reason: error.reason, message: error.message });
      work.containerFailed(start.role, error.reason);
      // A container that exists and failed to start is in the crash loop's hands.
      if (error.reason === 'RunContainerError') return { started: false, retryMs: FIRST_RETRY_MS };
      const retryMs = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(10, record.failures++));
      return { started: false, retryMs };
    }
  }

  /** Id of the container whose processes it joins, '' for none; undefined when that one does not run. */
  private targetOf(record: PodRecord, ephemeral: string): string | undefined {
    const wanted = record.pod.spec.ephemeralContainers?.find(c => c.name === ephemeral)?.targetContainerName;
    if (wanted === undefined || wanted === '') return '';
    return this.options.cache.view(record.uid)?.containers.find(c => c.name === wanted && c.state === 'running')?.id;
  }

  private async postStart(
    record: PodRecord,
    container: Container,
    id: string,
    podIP: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { hooks, recorder, cache, killer } = this.options;
    const handler = container.lifecycle?.postStart;
    if (handler === undefined) return;
    const subject = containerSubject(record.pod, container.name);
    record.hooking.add(id);
    try {
      const ownIP = record.pod.spec.hostNetwork === true ? 'localhost' : podIP;
      await hooks.run(handler, container, id, ownIP, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      const why = errorText(error);
      recorder.event(subject, 'Warning', 'FailedPostStartHook', `PostStartHook failed: ${why}`);
      const view = cache.container(id);
      if (view !== undefined) {
        const graceSeconds = gracePeriodSeconds(record.pod);
        const message = 'FailedPostStartHook';
        await killer.kill({ view, spec: container, podIP, graceSeconds, message, subject }, signal);
      }
      throw new StartError('PostStartHookError', `PostStartHookError: ${why}`);
    } finally {
      record.hooking.delete(id);
    }
  }
}

/** The sandbox could not be made; `cause` says why. */
class SandboxError extends Error {
  override readonly name = 'SandboxError';

  constructor(cause: unknown) {
    super('sandbox could not be made', { cause });
  }
}
