/**
 * One pod's pull of one image, from the credentials to the event that tells how it ended.
 *
 * - The logins that were found are tried in turn; without any, the registry is asked without.
 * - That it began is on disk before it begins, and with whose login it ended before the image is used.
 */
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { Image } from '../../../proto/cri/runtime.gen.ts';
import type { Decoded } from '../../../proto/decoded.ts';
import { subjectOf, type EventSink, type EventSubject } from '../../../machinery/client/event-recorder.ts';
import { pods } from '../../../machinery/client/resource.ts';
import { formatDuration } from '../../../machinery/meta/duration.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { ImageCredential } from './plan/image-credentials.ts';
import { fullImageName, type ImageName } from './plan/image-name.ts';
import { uidOf } from '../plan/pod-spec.ts';
import { pullFailure, type PullFailure } from './plan/pull-failure.ts';
import { detailOf, RuntimeError } from '../runtime/runtime-error.ts';
import type { ImageService } from '../runtime/runtime-service.ts';
import type { FoundCredentials, ImageKeyring } from './image-keyring.ts';
import type { ImagePuller, Pulled } from './image-puller.ts';
import type { PullRecords } from './pull-records.ts';

export interface PodPullsOptions {
  readonly images: ImageService;
  readonly keyring: Pick<ImageKeyring, 'find'>;
  readonly puller: Pick<ImagePuller, 'pull'>;
  readonly records: Pick<PullRecords, 'begin' | 'pulled' | 'failed'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly recorder: EventSink;
  /** An image came. */
  readonly onPulled: (image: Decoded<Image> | undefined, tookMs: number, pod: Pod) => void;
}

export interface PodPull {
  readonly pod: Pod;
  /** As the pod says it. */
  readonly text: string;
  readonly name: ImageName;
  /** For events. */
  readonly subject: EventSubject;
  /** The pod goes. */
  readonly signal: AbortSignal;
  /** The image may be there, and is wanted from the registry all the same. */
  readonly isAlways: boolean;
}

const NOTHING_FOUND: FoundCredentials = { credentials: [], missingSecrets: [], problems: [] };

export class PodPulls {
  private readonly options: PodPullsOptions;

  constructor(options: PodPullsOptions) {
    this.options = options;
  }

  /** Never throws. @returns undefined when the image is there; when the pod goes, whatever */
  async pull(pull: PodPull): Promise<PullFailure | undefined> {
    const { clock, recorder, keyring, images } = this.options;
    const { pod, text, name, subject, signal } = pull;
    const beganMs = clock.monotonicMs();
    let found = NOTHING_FOUND;
    recorder.event(subject, 'Normal', 'Pulling', `Pulling image "${text}"`);
    try {
      found = await keyring.find(pod, name, signal);
      this.tellMissingSecrets(pod, found.missingSecrets);
      const { tookMs } = await this.withEachLogin(pull, found.credentials);
      const image = await images.imageStatus({ image: fullImageName(name) }).catch(() => undefined);
      const waitedMs = clock.monotonicMs() - beganMs;
      const message = `Successfully pulled image "${text}" in ${duration(tookMs)} (${duration(waitedMs)} including waiting). Image size: ${image?.size ?? 0} bytes.`;
      recorder.event(subject, 'Normal', 'Pulled', message);
      this.options.onPulled(image, waitedMs, pod);
      return undefined;
    } catch (error) {
      return signal.aborted ? undefined : this.tellFailure(pull, found, error);
    }
  }

  /** @throws the last one's failure */
  private async withEachLogin(pull: PodPull, credentials: readonly ImageCredential[]): Promise<Pulled> {
    const { puller, records, recorder } = this.options;
    const { text, name, subject, signal } = pull;
    const onLong = (ageMs: number, progress: string): void => {
      const message = `Still pulling image "${text}" after ${duration(ageMs)}: ${progress}`;
      recorder.event(subject, 'Normal', 'Pulling', message);
    };
    await records.begin(name);
    let failure: unknown;
    for (const credential of credentials.length === 0 ? [undefined] : credentials) {
      try {
        const pulled = await puller.pull(name, credential?.login, { signal, onLong });
        await records.pulled(name, pulled.imageRef, credential);
        return pulled;
      } catch (error) {
        failure = error;
        if (signal.aborted) break;
      }
    }
    await records.failed(name);
    throw failure;
  }

  private async tellFailure(pull: PodPull, found: FoundCredentials, error: unknown): Promise<PullFailure> {
    const { images, recorder, logger } = this.options;
    const { pod, text, name, subject, isAlways } = pull;
    const image = fullImageName(name);
    const isPresent = isAlways && (await images.imageStatus({ image }).catch(() => undefined)) !== undefined;
    const failure = pullFailure({
      image: text,
      registry: name.domain,
      code: error instanceof RuntimeError ? error.grpcCode : '',
      detail: detailOf(error),
      tried: [...new Set(found.credentials.map(inWords))],
      problems: found.problems,
      isPresent,
    });
    recorder.event(subject, 'Warning', 'Failed', failure.event);
    recorder.event(subject, 'Warning', 'Failed', `Error: ${failure.reason}`);
    logger.info({ image, pod: uidOf(pod), err: error }, 'Image pull failed');
    return failure;
  }

  private tellMissingSecrets(pod: Pod, missing: readonly string[]): void {
    if (missing.length === 0) return;
    const message = `Unable to retrieve some image pull secrets (${missing.join(', ')}); attempting to pull the image may not succeed.`;
    this.options.recorder.event(subjectOf(pods, pod), 'Warning', 'FailedToRetrieveImagePullSecret', message);
  }
}

function inWords({ source, login }: ImageCredential): string {
  const user = login.username === '' ? 'the token' : `user ${login.username}`;
  switch (source.kind) {
    case 'node':
      return `${user} of the node's own credentials`;
    case 'secret':
      return `${user} of Secret ${source.namespace}/${source.name}`;
    case 'serviceAccount':
      return `${user} of ServiceAccount ${source.namespace}/${source.name}`;
  }
}

/** In Go's form, cut to milliseconds. */
function duration(ms: number): string {
  return formatDuration(Math.trunc(ms) * 1e6);
}
