/**
 * Makes images be there for containers: pull policy, back-off, credentials, and a limit of pulls at once.
 *
 * - `ensure` never waits for a pull: a pull runs by itself and the pod's worker is woken when it ends.
 * - Pulls of one image with the same credentials are shared; a pod that goes away does not end a pull that others wait for.
 * Source: kubernetes.io/docs, "Images"; `pkg/kubelet/images/image_manager.go` 1.36.
 */
import type { Container, Pod, Secret } from '../../../proto/api/core-v1.ts';
import type { AuthConfig, Image, PodSandboxConfig } from '../../../proto/cri/runtime.gen.ts';
import type { Decoded } from '../../../proto/decoded.ts';
import { subjectOf, type EventSink, type EventSubject } from '../../../machinery/client/event-recorder.ts';
import { pods } from '../../../machinery/client/resource.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import { credentialsFor } from '../plan/image-credentials.ts';
import { fullImageName, parseImageName, type ImageName } from '../plan/image-name.ts';
import { uidOf } from '../plan/pod-spec.ts';
import { Gate } from '../pods/gate.ts';
import { RuntimeError } from '../runtime/runtime-error.ts';
import type { ImageService } from '../runtime/runtime-service.ts';

/** Where a container's image stands. */
export type ImageState =
  | { readonly kind: 'present'; readonly image: Decoded<Image>; readonly name: string }
  /** The worker is woken when it ends. */
  | { readonly kind: 'pulling' }
  | {
      readonly kind: 'waiting';
      readonly reason: string;
      readonly message: string;
      readonly retryAtMs: number | undefined;
    };

export interface ImageManagerOptions {
  readonly images: ImageService;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly recorder: EventSink;
  /** Pulls that may run at once. */
  readonly parallelPulls: number;
  /** Secrets that the pod's imagePullSecrets name; those that do not exist are left out. */
  readonly pullSecrets: (pod: Pod) => Promise<readonly Secret[]>;
  /** Wakes a pod's worker. */
  readonly wake: (podUid: string) => void;
}

interface Attempt {
  /** Of the pull that failed last; undefined while the first one runs. */
  failure: { readonly message: string; readonly atMs: number; told: boolean } | undefined;
  backoffMs: number;
  pulling: boolean;
}

const FIRST_BACKOFF_MS = 10_000;
const MAX_BACKOFF_MS = 300_000;

export class ImageManager {
  private readonly options: ImageManagerOptions;
  private readonly gate: Gate;
  /** Pod UID + image -> how it went. */
  private readonly attempts = new Map<string, Attempt>();
  /** Pulls in flight, by image and credentials. */
  private readonly pulls = new Map<string, Promise<string>>();
  /** Questions for an image in flight, by name. */
  private readonly inspections = new Map<string, Promise<Decoded<Image> | undefined>>();
  /** Pod UID -> images pulled for it and not yet used, so that policy Always pulls once a start. */
  private readonly fresh = new Map<string, Set<string>>();

  constructor(options: ImageManagerOptions) {
    this.options = options;
    this.gate = new Gate({ limit: options.parallelPulls, clock: options.clock });
  }

  /**
   * @param container a container, or the `image` source of a volume by these names
   * @param subject the container, or the pod for a volume; for events
   */
  async ensure(
    pod: Pod,
    container: Pick<Container, 'image' | 'imagePullPolicy'>,
    subject: EventSubject,
    sandboxConfig?: PodSandboxConfig,
  ): Promise<ImageState> {
    const text = container.image ?? '';
    const parsed = parseImageName(text);
    if (parsed === undefined) {
      const message = `Failed to apply default image tag "${text}": couldn't parse image name "${text}": invalid reference format`;
      this.options.recorder.event(subject, 'Warning', 'InspectFailed', message);
      this.options.recorder.event(subject, 'Warning', 'Failed', 'Error: InvalidImageName');
      return { kind: 'waiting', reason: 'InvalidImageName', message, retryAtMs: undefined };
    }
    const name = fullImageName(parsed);
    const key = `${uidOf(pod)}|${name}`;
    const policy = container.imagePullPolicy ?? (parsed.tag === 'latest' ? 'Always' : 'IfNotPresent');
    const attempt = this.attempts.get(key);
    if (attempt?.pulling === true) return { kind: 'pulling' };
    const fresh = this.fresh.get(uidOf(pod))?.has(name) === true;
    if (policy !== 'Always' || fresh) {
      const image = await this.inspect(name, text, subject);
      if ('kind' in image) return image;
      if (image.found !== undefined) {
        if (!fresh)
          this.options.recorder.event(
            subject,
            'Normal',
            'Pulled',
            `Container image "${text}" already present on machine`,
          );
        this.fresh.get(uidOf(pod))?.delete(name);
        this.attempts.delete(key);
        return { kind: 'present', image: image.found, name };
      }
    }
    if (policy === 'Never') {
      const message = `Container image "${text}" is not present with pull policy of Never`;
      this.options.recorder.event(subject, 'Warning', 'ErrImageNeverPull', message);
      this.options.recorder.event(subject, 'Warning', 'Failed', 'Error: ErrImageNeverPull');
      return { kind: 'waiting', reason: 'ErrImageNeverPull', message, retryAtMs: undefined };
    }
    return this.pullOrWait(pod, parsed, text, subject, key, attempt, sandboxConfig);
  }

  /** The pod is gone: nothing of it is remembered. */
  forget(podUid: string): void {
    this.fresh.delete(podUid);
    for (const key of this.attempts.keys()) if (key.startsWith(`${podUid}|`)) this.attempts.delete(key);
  }

  private async inspect(
    name: string,
    text: string,
    subject: EventSubject,
  ): Promise<{ found: Decoded<Image> | undefined } | Extract<ImageState, { kind: 'waiting' }>> {
    try {
      // Pods that start together ask once.
      let asked = this.inspections.get(name);
      if (asked === undefined) {
        asked = this.options.images.imageStatus({ image: name }).finally(() => this.inspections.delete(name));
        this.inspections.set(name, asked);
      }
      return { found: await asked };
    } catch (error) {
      const detail = error instanceof RuntimeError ? error.detail : String(error);
      const message = `Failed to inspect image "${text}": ${detail}`;
      this.options.recorder.event(subject, 'Warning', 'InspectFailed', message);
      return {
        kind: 'waiting',
        reason: 'ImageInspectError',
        message,
        retryAtMs: this.options.clock.now() + FIRST_BACKOFF_MS,
      };
    }
  }

  private pullOrWait(
    pod: Pod,
    parsed: ImageName,
    text: string,
    subject: EventSubject,
    key: string,
    known: Attempt | undefined,
    sandboxConfig: PodSandboxConfig | undefined,
  ): ImageState {
    const { clock, recorder } = this.options;
    const failure = known?.failure;
    if (known !== undefined && failure !== undefined) {
      const retryAtMs = failure.atMs + known.backoffMs;
      if (!failure.told) {
        // The failure itself is shown once, then that it waits.
        failure.told = true;
        return { kind: 'waiting', reason: 'ErrImagePull', message: failure.message, retryAtMs: failure.atMs + 1_000 };
      }
      if (clock.now() < retryAtMs) {
        const message = `Back-off pulling image "${text}"`;
        recorder.event(subject, 'Normal', 'BackOff', message);
        recorder.event(subject, 'Warning', 'Failed', 'Error: ImagePullBackOff');
        return {
          kind: 'waiting',
          reason: 'ImagePullBackOff',
          message: `${message}: ErrImagePull: ${failure.message}`,
          retryAtMs,
        };
      }
    }
    const attempt: Attempt = known ?? { failure: undefined, backoffMs: 0, pulling: false };
    attempt.pulling = true;
    this.attempts.set(key, attempt);
    void this.pull(pod, parsed, text, subject, attempt, sandboxConfig);
    return { kind: 'pulling' };
  }

  private async pull(
    pod: Pod,
    parsed: ImageName,
    text: string,
    subject: EventSubject,
    attempt: Attempt,
    sandboxConfig: PodSandboxConfig | undefined,
  ): Promise<void> {
    const { clock, recorder, logger } = this.options;
    const name = fullImageName(parsed);
    const beganMs = clock.monotonicMs();
    let credentials: readonly AuthConfig[] = [];
    recorder.event(subject, 'Normal', 'Pulling', `Pulling image "${text}"`);
    try {
      const secrets = await this.options.pullSecrets(pod);
      this.tellMissingSecrets(pod, secrets);
      credentials = credentialsFor(parsed.domain, parsed.path, secrets);
      const startedMs = await this.pullShared(name, credentials, sandboxConfig);
      const tookMs = clock.monotonicMs() - startedMs;
      const waitedMs = clock.monotonicMs() - beganMs;
      const image = await this.options.images.imageStatus({ image: name });
      const size = image === undefined ? '' : ` Image size: ${image.size} bytes.`;
      const message = `Successfully pulled image "${text}" in ${seconds(tookMs)} (${seconds(waitedMs)} including waiting).${size}`;
      recorder.event(subject, 'Normal', 'Pulled', message);
      attempt.failure = undefined;
      attempt.backoffMs = 0;
      const uid = uidOf(pod);
      const fresh = this.fresh.get(uid) ?? new Set();
      this.fresh.set(uid, fresh.add(name));
    } catch (error) {
      const why = error instanceof RuntimeError ? error.detail : error instanceof Error ? error.message : String(error);
      const detail = `${why} (${credentialsInWords(pod, parsed.domain, credentials.length)})`;
      const message = `failed to pull image "${text}" after ${seconds(clock.monotonicMs() - beganMs)}: ${detail}`;
      attempt.failure = { message, atMs: clock.now(), told: false };
      attempt.backoffMs = attempt.backoffMs === 0 ? FIRST_BACKOFF_MS : Math.min(MAX_BACKOFF_MS, attempt.backoffMs * 2);
      recorder.event(subject, 'Warning', 'Failed', `Failed to pull image "${text}": ${detail}`);
      recorder.event(subject, 'Warning', 'Failed', 'Error: ErrImagePull');
      logger.info({ image: name, pod: uidOf(pod), err: error }, 'Image pull failed');
    } finally {
      attempt.pulling = false;
      this.options.wake(uidOf(pod));
    }
  }

  private tellMissingSecrets(pod: Pod, found: readonly Secret[]): void {
    const missing = pullSecretNames(pod).filter(name => !found.some(secret => secret.metadata.name === name));
    if (missing.length === 0) return;
    const message = `Unable to retrieve some image pull secrets (${missing.join(', ')}); attempting to pull the image may not succeed.`;
    this.options.recorder.event(subjectOf(pods, pod), 'Warning', 'FailedToRetrieveImagePullSecret', message);
  }

  /** @returns when the pull began (monotonic) */
  private async pullShared(
    name: string,
    credentials: readonly AuthConfig[],
    sandboxConfig: PodSandboxConfig | undefined,
  ): Promise<number> {
    const { images, clock } = this.options;
    const auths: readonly (AuthConfig | undefined)[] = credentials.length === 0 ? [undefined] : credentials;
    let startedMs = clock.monotonicMs();
    let lastError: unknown;
    for (const auth of auths) {
      const key = `${name}|${JSON.stringify(auth ?? null)}`;
      let pull = this.pulls.get(key);
      if (pull === undefined) {
        pull = this.gate
          .run(() => {
            startedMs = clock.monotonicMs();
            const withAuth = auth === undefined ? {} : { auth };
            const withSandbox = sandboxConfig === undefined ? {} : { sandboxConfig };
            return images.pullImage({ image: name }, { ...withAuth, ...withSandbox });
          })
          .finally(() => this.pulls.delete(key));
        this.pulls.set(key, pull);
      }
      try {
        await pull;
        return startedMs;
      } catch (error) {
        lastError = error;
      }
    }
    throw lastError;
  }
}

function pullSecretNames(pod: Pod): string[] {
  return (pod.spec.imagePullSecrets ?? []).flatMap(({ name }) => (name === undefined || name === '' ? [] : [name]));
}

/** How the pull logged in: what a registry's "unauthorized" leaves open. */
function credentialsInWords(pod: Pod, domain: string, count: number): string {
  if (count > 0) return `with ${count === 1 ? 'the credentials' : `each of ${count} credentials`} for ${domain}`;
  return pullSecretNames(pod).length === 0
    ? 'without credentials: the pod has no imagePullSecrets'
    : `without credentials: none of the pod's imagePullSecrets is for ${domain}`;
}

function seconds(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)}ms` : `${(ms / 1000).toFixed(3)}s`;
}
