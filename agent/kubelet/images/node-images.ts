/**
 * The images of the node as its status tells them.
 *
 * Asked for as often as somebody likes, they are listed when one was pulled or removed here, and every `REREAD_MS` for those that others
 * bring and take. What is gone from the list goes from the records of pulls.
 */
import type { ContainerImage } from '../../../proto/api/core-v1.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import { nodeImages } from './plan/node-images.ts';
import type { ImageService } from '../runtime/runtime-service.ts';
import type { PullRecords } from './pull-records.ts';

export interface NodeImagesOptions {
  readonly images: ImageService;
  readonly records: Pick<PullRecords, 'prune'>;
  /** `nodeStatusMaxImages`; -1: all. */
  readonly max: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

const REREAD_MS = 60_000;
const TIMEOUT_MS = 5_000;

export class NodeImages {
  private readonly options: NodeImagesOptions;
  private list: readonly ContainerImage[] = [];
  private ids: ReadonlySet<string> = new Set();
  private readAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: NodeImagesOptions) {
    this.options = options;
  }

  /** One came or went: the next question lists them. */
  changed(): void {
    this.readAtMs = Number.NEGATIVE_INFINITY;
  }

  /** The newest known; a runtime that does not answer changes nothing. */
  async current(signal: AbortSignal): Promise<readonly ContainerImage[]> {
    const { images, clock, max, logger } = this.options;
    if (clock.monotonicMs() - this.readAtMs < REREAD_MS) return this.list;
    const beganMs = clock.now();
    try {
      const found = await images.listImages(undefined, { signal, timeoutMs: TIMEOUT_MS });
      this.readAtMs = clock.monotonicMs();
      this.list = nodeImages(found, max);
      await this.dropGone(new Set(found.map(({ id }) => id)), beganMs);
    } catch (error) {
      // That the runtime is away is told by the node's conditions.
      logger.debug({ err: error }, 'Cannot list the images of the node');
    }
    return this.list;
  }

  /** Nothing is read at rest: records are looked through when an image went, and once at start. */
  private async dropGone(ids: ReadonlySet<string>, beganMs: number): Promise<void> {
    const before = this.ids;
    this.ids = ids;
    const isFirst = before.size === 0;
    if (isFirst || [...before].some(id => !ids.has(id))) await this.options.records.prune(ids, beganMs);
  }
}
