/**
 * Makes images be there for containers and image volumes: pull policy, right to use what is there, back-off.
 *
 * - `ensure` never waits for a pull: a pull runs by itself and the pod's worker is woken when it ends.
 * - A pod that goes away leaves its pulls; one that others wait for goes on.
 * - An image that is there is used only by pods that may pull it: see pull-records.ts. A pod that proved it keeps the right for its life.
 * Source: kubernetes.io/docs, "Images"; `pkg/kubelet/images/image_manager.go` 1.36.
 */
import type { Container, Pod } from '../../../proto/api/core-v1.ts';
import type { Image } from '../../../proto/cri/runtime.gen.ts';
import type { Decoded } from '../../../proto/decoded.ts';
import type { EventSink, EventSubject } from '../../../machinery/client/event-recorder.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import { fullImageName, isImageId, parseImageName, type ImageName } from './plan/image-name.ts';
import { uidOf } from '../plan/pod-spec.ts';
import { decidePull, failedPull, type FailedPull } from './plan/pull-backoff.ts';
import type { ImageService } from '../runtime/runtime-service.ts';
import type { ImageKeyring } from './image-keyring.ts';
import { ImageRefusals, type WaitingImage } from './image-refusals.ts';
import type { PodPulls } from './pod-pulls.ts';
import type { PullRecords } from './pull-records.ts';

/** Where a container's image stands. */
export type ImageState =
  | {
      readonly kind: 'present';
      readonly image: Decoded<Image>;
      readonly name: string;
      /** The pod's own pull brought it, and a container has not been made of it since. */
      readonly isFresh: boolean;
    }
  /** The worker is woken when it ends. */
  | { readonly kind: 'pulling' }
  | WaitingImage;

export interface ImageManagerOptions {
  readonly images: ImageService;
  readonly keyring: Pick<ImageKeyring, 'find'>;
  readonly records: Pick<PullRecords, 'mustPull' | 'isForAll'>;
  readonly pulls: Pick<PodPulls, 'pull'>;
  readonly clock: Clock;
  readonly recorder: EventSink;
  /** Wakes a pod's worker. */
  readonly wake: (podUid: string) => void;
  /** Calls back when one of the pod's pull secrets changes, until the returned function is called. */
  readonly watchSecrets: (pod: Pod, onChange: () => void) => () => void;
  /** A pod is gone. */
  readonly onGone: (podUid: string) => void;
}

interface Attempt {
  failed: FailedPull | undefined;
  pulling: boolean;
  /** While it waits to try again: ends the look-out for secrets that change. */
  unwatch: (() => void) | undefined;
}

/** What is known of one pod. */
interface PodImages {
  /** Full name -> how its pulls went. */
  readonly attempts: Map<string, Attempt>;
  /** Full name -> who has used the pull since, so that policy Always pulls once a start of each. */
  readonly fresh: Map<string, Set<string>>;
  /** Full name -> id of the image that it was found to be, and that the pod may use. */
  readonly held: Map<string, string>;
  readonly gone: AbortController;
}

/** One question for an image. */
interface Request {
  readonly pod: Pod;
  /** As the pod says it. */
  readonly text: string;
  readonly name: ImageName;
  readonly subject: EventSubject;
  readonly known: PodImages;
}

export class ImageManager {
  private readonly options: ImageManagerOptions;
  private readonly refusals: ImageRefusals;
  /** By pod UID. */
  private readonly pods = new Map<string, PodImages>();
  /** Questions for an image in flight, by name. */
  private readonly inspections = new Map<string, Promise<Decoded<Image> | undefined>>();

  constructor(options: ImageManagerOptions) {
    this.options = options;
    this.refusals = new ImageRefusals(options.recorder, options.clock);
  }

  /**
   * @param container a container, or the `image` source of a volume by these names
   * @param subject the container, or the pod for a volume; for events
   */
  async ensure(
    pod: Pod,
    container: Pick<Container, 'image' | 'imagePullPolicy'>,
    subject: EventSubject,
  ): Promise<ImageState> {
    const text = container.image ?? '';
    if (isImageId(text)) return this.ensureById(text, container, this.knownOf(pod), subject);
    const name = parseImageName(text);
    if (name === undefined) return this.refusals.invalidName(text, subject);
    const known = this.knownOf(pod);
    const request: Request = { pod, text, name, subject, known };
    const fullName = fullImageName(name);
    if (known.attempts.get(fullName)?.pulling === true) return { kind: 'pulling' };
    const policy = container.imagePullPolicy ?? (name.tag === 'latest' ? 'Always' : 'IfNotPresent');
    const users = known.fresh.get(fullName);
    const isFresh = users !== undefined && !users.has(subject.fieldPath ?? '');
    if (policy !== 'Always' || isFresh) {
      const seen = await this.inspect(fullName, text, subject);
      if ('kind' in seen) return seen;
      const image = seen.found;
      const mayUse = image === undefined ? false : isFresh || (await this.mayUse(request, image));
      if (typeof mayUse === 'object') return mayUse;
      if (image !== undefined && mayUse) {
        known.attempts.get(fullName)?.unwatch?.();
        known.attempts.delete(fullName);
        known.held.set(fullName, image.id);
        return { kind: 'present', image, name: fullName, isFresh };
      }
    }
    if (policy === 'Never') return this.refusals.neverPulled(text, subject);
    return this.pullOrWait(request, policy === 'Always');
  }

  /** A container is about to be made of what `ensure` found; a pull has told of itself already. */
  use(pod: Pod, text: string, subject: EventSubject, found: Extract<ImageState, { kind: 'present' }>): void {
    this.knownOf(pod)
      .fresh.get(found.name)
      ?.add(subject.fieldPath ?? '');
    if (found.isFresh) return;
    const message = `Container image "${text}" already present on machine and can be accessed by the pod`;
    this.options.recorder.event(subject, 'Normal', 'Pulled', message);
  }

  /** The pod is gone: nothing of it is remembered, and what it waits for alone ends. */
  forget(podUid: string): void {
    const known = this.pods.get(podUid);
    known?.gone.abort();
    for (const { unwatch } of known?.attempts.values() ?? []) unwatch?.();
    this.pods.delete(podUid);
    this.options.onGone(podUid);
  }

  private knownOf(pod: Pod): PodImages {
    const uid = uidOf(pod);
    let known = this.pods.get(uid);
    if (known === undefined) {
      known = { attempts: new Map(), fresh: new Map(), held: new Map(), gone: new AbortController() };
      this.pods.set(uid, known);
    }
    return known;
  }

  /** No registry knows ids: the image is here, or was imported by somebody, or never comes. */
  private async ensureById(
    id: string,
    container: Pick<Container, 'imagePullPolicy'>,
    known: PodImages,
    subject: EventSubject,
  ): Promise<ImageState> {
    const seen = await this.inspect(id, id, subject);
    if ('kind' in seen) return seen;
    const isPresent = seen.found !== undefined;
    if (seen.found !== undefined && (await this.options.records.isForAll(seen.found.id))) {
      known.held.set(id, seen.found.id);
      return { kind: 'present', image: seen.found, name: id, isFresh: false };
    }
    if (container.imagePullPolicy === 'Never') return this.refusals.neverPulled(id, subject);
    return this.refusals.unknownId(id, isPresent, subject);
  }

  private async inspect(
    name: string,
    text: string,
    subject: EventSubject,
  ): Promise<{ found: Decoded<Image> | undefined } | WaitingImage> {
    try {
      return { found: await this.find(name) };
    } catch (error) {
      return this.refusals.notInspected(text, subject, error);
    }
  }

  /** Pods that start together ask once. */
  private find(name: string): Promise<Decoded<Image> | undefined> {
    let asked = this.inspections.get(name);
    if (asked === undefined) {
      asked = this.options.images.imageStatus({ image: name }).finally(() => this.inspections.delete(name));
      this.inspections.set(name, asked);
    }
    return asked;
  }

  private async mayUse({ pod, name, known, subject }: Request, image: Decoded<Image>): Promise<boolean | WaitingImage> {
    const { keyring, records } = this.options;
    if (known.held.get(fullImageName(name)) === image.id) return true;
    try {
      const credentials = async () => (await keyring.find(pod, name, known.gone.signal)).credentials;
      return !(await records.mustPull(name, image, credentials));
    } catch (error) {
      return this.refusals.rightUnknown(fullImageName(name), subject, error);
    }
  }

  private pullOrWait(request: Request, isAlways: boolean): ImageState {
    const { clock, recorder } = this.options;
    const { text, subject, known } = request;
    const fullName = fullImageName(request.name);
    const attempt = known.attempts.get(fullName) ?? { failed: undefined, pulling: false, unwatch: undefined };
    const decision = decidePull(attempt.failed, text, clock.now());
    if (decision.kind !== 'pull') {
      const { reason, message, retryAtMs } = decision;
      if (decision.kind === 'wait') {
        recorder.event(subject, 'Normal', 'BackOff', `Back-off pulling image "${text}"`);
        recorder.event(subject, 'Warning', 'Failed', `Error: ${reason}`);
      } else if (attempt.failed !== undefined) attempt.failed = { ...attempt.failed, told: true };
      return { kind: 'waiting', reason, message, retryAtMs };
    }
    // A pod that is gone begins nothing.
    if (known.gone.signal.aborted) return { kind: 'pulling' };
    attempt.pulling = true;
    attempt.unwatch?.();
    attempt.unwatch = undefined;
    known.attempts.set(fullName, attempt);
    void this.pull(request, attempt, isAlways);
    return { kind: 'pulling' };
  }

  /** Never throws. */
  private async pull(request: Request, attempt: Attempt, isAlways: boolean): Promise<void> {
    const { pod, name, known } = request;
    const { signal } = known.gone;
    const failure = await this.options.pulls.pull({ ...request, signal, isAlways });
    attempt.pulling = false;
    if (signal.aborted) return;
    if (failure === undefined) {
      attempt.failed = undefined;
      known.fresh.set(fullImageName(name), new Set());
    } else {
      attempt.failed = failedPull(attempt.failed, failure, this.options.clock.now());
      // Whoever puts a secret right need not wait for the next attempt.
      attempt.unwatch = this.options.watchSecrets(pod, () => {
        if (attempt.failed !== undefined) attempt.failed = { ...attempt.failed, backoffMs: 0, told: true };
        this.options.wake(uidOf(pod));
      });
    }
    this.options.wake(uidOf(pod));
  }
}
