/** Why an image is not to be had that no pull would bring: what the container's status says, in upstream's words, and the events that go with it. */
import type { EventSink, EventSubject } from '../../../machinery/client/event-recorder.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import { detailOf } from '../runtime/runtime-error.ts';

/** The container waits, and says why. */
export interface WaitingImage {
  readonly kind: 'waiting';
  readonly reason: string;
  readonly message: string;
  /** Milliseconds since the epoch; undefined: nothing but another spec helps. */
  readonly retryAtMs: number | undefined;
}

/** For questions that nobody answered. */
const ASK_AGAIN_MS = 10_000;

export class ImageRefusals {
  private readonly recorder: EventSink;
  private readonly clock: Clock;

  constructor(recorder: EventSink, clock: Clock) {
    this.recorder = recorder;
    this.clock = clock;
  }

  invalidName(text: string, subject: EventSubject): WaitingImage {
    const message = `Failed to apply default image tag "${text}": couldn't parse image name "${text}": invalid reference format`;
    this.recorder.event(subject, 'Warning', 'InspectFailed', message);
    this.recorder.event(subject, 'Warning', 'Failed', 'Error: InvalidImageName');
    return { kind: 'waiting', reason: 'InvalidImageName', message, retryAtMs: undefined };
  }

  neverPulled(text: string, subject: EventSubject): WaitingImage {
    const message = `Container image "${text}" is not present with pull policy of Never`;
    this.recorder.event(subject, 'Warning', 'ErrImageNeverPull', message);
    this.recorder.event(subject, 'Warning', 'Failed', 'Error: ErrImageNeverPull');
    return { kind: 'waiting', reason: 'ErrImageNeverPull', message, retryAtMs: undefined };
  }

  /** No registry knows ids: the image is here, or was imported by somebody, or never comes. */
  unknownId(id: string, isPresent: boolean, subject: EventSubject): WaitingImage {
    const why = isPresent
      ? `the image with the id ${id} is on this node, but`
      : `there is no image with the id ${id} on this node;`;
    const what = isPresent ? 'it was pulled with credentials, and an id proves none' : 'registries know no ids';
    const message = `${why} ${what}: name it as REPOSITORY@sha256:DIGEST`;
    this.recorder.event(subject, 'Warning', 'Failed', `Failed to pull image "${id}": ${message}`);
    this.recorder.event(subject, 'Warning', 'Failed', 'Error: ErrImagePull');
    return { kind: 'waiting', reason: 'ErrImagePull', message, retryAtMs: undefined };
  }

  /** The runtime does not say whether it has the image. */
  notInspected(text: string, subject: EventSubject, error: unknown): WaitingImage {
    const message = `Failed to inspect image "${text}": ${detailOf(error)}`;
    this.recorder.event(subject, 'Warning', 'InspectFailed', message);
    this.recorder.event(subject, 'Warning', 'Failed', 'Error: ImageInspectError');
    return { kind: 'waiting', reason: 'ImageInspectError', message, retryAtMs: this.clock.now() + ASK_AGAIN_MS };
  }

  /** Nobody says which credentials the pod has, so nobody knows whether it may use what is there. */
  rightUnknown(fullName: string, subject: EventSubject, error: unknown): WaitingImage {
    const message = `Cannot tell whether the pod may use image "${fullName}", which is on the node: ${detailOf(error)}`;
    this.recorder.event(subject, 'Warning', 'Failed', message);
    return { kind: 'waiting', reason: 'ErrImagePull', message, retryAtMs: this.clock.now() + ASK_AGAIN_MS };
  }
}
