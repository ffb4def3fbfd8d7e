/**
 * Brings image archives (OCI layout or `docker save`) into a containerd, where CRI sees them.
 *
 * - Through containerd's own client `ctr`, in the namespace that CRI looks at: images have no import in CRI.
 * - Resolves once CRI lists the image: containerd tells its CRI part by an event, a little later than it answers.
 */
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../../../machinery/process/clock.ts';
import { run } from '../../../host/exec.ts';
import type { ImageService } from '../runtime-service.ts';

/** What importing needs. */
export interface ImageImporterOptions {
  /** containerd's socket path. */
  readonly socketPath: string;
  readonly images: ImageService;
  readonly clock: Clock;
  /** Program; default `ctr` of the PATH. */
  readonly ctr?: string;
}

const IMPORT_TIMEOUT_MS = 1_800_000;
const VISIBLE_TIMEOUT_MS = 10_000;
const LOOK_AGAIN_MS = 10;
/** What ctr prints of each image: `unpacking NAME (DIGEST)...done` before 2.0, `NAME  saved` since. */
const IMPORTED = /^(?:unpacking (\S+)|(\S+)\s+saved\s*$)/gm;
const PINNED = 'io.cri-containerd.pinned=pinned';

export class ImageImporter {
  private readonly options: ImageImporterOptions;

  constructor(options: ImageImporterOptions) {
    this.options = options;
  }

  /**
   * Imports every image of the archive; gives their names.
   * @throws CommandError when the file is no image archive, or containerd is away
   */
  async importFile(path: string, signal?: AbortSignal): Promise<string[]> {
    const { stdout } = await this.ctr(['images', 'import', path], signal);
    const names = [...stdout.matchAll(IMPORTED)].map(match => match[1] ?? match[2] ?? '');
    for (const name of names) await this.waitUntilVisible(name, signal);
    return names;
  }

  /** Imports `build`'s archive unless `name` is there already, and protects the image from garbage collection. */
  async ensureImage(name: string, build: () => Promise<Buffer>, signal?: AbortSignal): Promise<'present' | 'imported'> {
    const { images } = this.options;
    if ((await images.imageStatus({ image: name }, signal === undefined ? {} : { signal })) !== undefined)
      return 'present';
    const path = join(tmpdir(), `k8ts-image-${randomUUID()}.tar`);
    try {
      await writeFile(path, await build(), { mode: 0o600 });
      await this.importFile(path, signal);
    } finally {
      await rm(path, { force: true });
    }
    await this.ctr(['images', 'label', name, PINNED], signal);
    await this.waitUntilVisible(name, signal);
    return 'imported';
  }

  private ctr(args: readonly string[], signal?: AbortSignal) {
    const argv = [this.options.ctr ?? 'ctr', '--address', this.options.socketPath, '--namespace', 'k8s.io', ...args];
    return run(argv, { timeoutMs: IMPORT_TIMEOUT_MS, ...(signal === undefined ? {} : { signal }) });
  }

  private async waitUntilVisible(name: string, signal?: AbortSignal): Promise<void> {
    const { images, clock } = this.options;
    const untilMs = clock.monotonicMs() + VISIBLE_TIMEOUT_MS;
    while ((await images.imageStatus({ image: name }, signal === undefined ? {} : { signal })) === undefined) {
      if (clock.monotonicMs() > untilMs) {
        throw new Error(`Imported image "${name}" is not visible to the runtime after ${VISIBLE_TIMEOUT_MS / 1000} s`);
      }
      await clock.sleep(LOOK_AGAIN_MS, signal);
    }
  }
}
