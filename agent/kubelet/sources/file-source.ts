/**
 * Static pods from files: a directory of manifests, or a single one. Read when something changes there, and now and then anyway.
 *
 * - Names that begin with a dot are passed over, folders too.
 * - A place that does not exist holds no pods.
 * - A file that has not changed is not parsed again: that may take seconds.
 */
import { watch, type FSWatcher } from 'node:fs';
import { readdir, stat, type FileHandle } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { errorText } from '../../../machinery/meta/error-text.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import { NotInsideError, openFile } from '../../host/files/open-inside.ts';
import { rfc3339 } from '../plan/time-format.ts';
import { MAX_MANIFEST_BYTES, readManifest, type Manifest } from './manifests.ts';

export interface FileSourceOptions {
  /** Absolute. */
  readonly path: string;
  readonly nodeName: string;
  /** How often it is read without a reason. */
  readonly everyMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told of all that is there, in the order of names. */
  readonly onManifests: (manifests: readonly Manifest[]) => void;
}

/** Who writes a file in several goes has ended by then. */
const SETTLE_MS = 50;
/** What was changed longer ago was changed before it was read. */
const SURE_MS = 2_000;

interface KnownFile {
  readonly identity: string;
  readonly manifest: Manifest;
}

export class FileSource {
  private readonly options: FileSourceOptions;
  private watcher: FSWatcher | undefined;
  private known = new Map<string, KnownFile>();
  private changed: () => void = () => undefined;

  constructor(options: FileSourceOptions) {
    this.options = options;
  }

  /** Runs until the signal aborts. Never throws: a place that cannot be read now is read again. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, everyMs, logger, path } = this.options;
    let told = '';
    while (!signal.aborted) {
      const change = new AbortController();
      this.changed = () => change.abort();
      this.follow();
      try {
        this.options.onManifests(await this.read());
        told = '';
      } catch (error) {
        const text = String(error);
        if (text !== told) logger.error({ err: error, path }, 'Cannot read the place of static pods; trying again');
        told = text;
      }
      await clock.sleep(everyMs, AbortSignal.any([signal, change.signal])).catch(() => undefined);
      if (change.signal.aborted) await clock.sleep(SETTLE_MS, signal).catch(() => undefined);
    }
    this.watcher?.close();
  }

  /** Watches the place while it is there. Editors put a new file in the place of the old one: then that is watched. */
  private follow(): void {
    if (this.watcher !== undefined) return;
    const { path, logger } = this.options;
    try {
      const watcher = watch(path, { persistent: false });
      this.watcher = watcher;
      const end = (): void => {
        watcher.close();
        if (this.watcher === watcher) this.watcher = undefined;
      };
      watcher.on('change', (event, name) => {
        // Of the watched thing itself, it was moved or removed.
        if (event === 'rename' && name === basename(path)) end();
        if (name === null || !name.toString().startsWith('.')) this.changed();
      });
      watcher.on('error', error => {
        logger.debug({ err: error, path }, 'The place of static pods is not watched any more');
        end();
      });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        logger.debug({ err: error, path }, 'The place of static pods cannot be watched; it is read now and then');
    }
  }

  private async read(): Promise<Manifest[]> {
    const { path } = this.options;
    const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    const before = this.known;
    this.known = new Map();
    if (found === undefined) return [];
    const names = found.isDirectory() ? (await readdir(path)).filter(name => !name.startsWith('.')).sort() : [''];
    const manifests = await Promise.all(names.map(name => this.readOne(join(path, name), before)));
    return manifests.filter(manifest => manifest !== undefined);
  }

  /** Undefined for what is no file (any more). */
  private async readOne(path: string, before: ReadonlyMap<string, KnownFile>): Promise<Manifest | undefined> {
    const { clock } = this.options;
    const bad = (problem: string): Manifest => ({ location: path, pods: [], problem, warnings: [] });
    let file: FileHandle | undefined;
    try {
      file = await openFile(path);
      const found = await file.stat({ bigint: true });
      if (found.size > MAX_MANIFEST_BYTES) return bad(`is larger than ${MAX_MANIFEST_BYTES} bytes`);
      const identity = `${found.dev}-${found.ino}-${found.size}-${found.mtimeNs}-${found.ctimeNs}`;
      const known = before.get(path);
      const manifest = known?.identity === identity ? known.manifest : await this.parse(path, await textOf(file));
      // A change within the same tick of the file system's clock would not be seen.
      if (clock.now() - Number(found.ctimeMs) > SURE_MS) this.known.set(path, { identity, manifest });
      return manifest;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT' || error instanceof NotInsideError) return undefined;
      return bad(errorText(error));
    } finally {
      await file?.close();
    }
  }

  private parse(path: string, text: string): Promise<Manifest> {
    const { nodeName, clock } = this.options;
    return readManifest(text, { kind: 'file', location: path, nodeName }, rfc3339(clock.now()));
  }
}

/** No more than is looked at, should it grow meanwhile. */
async function textOf(file: FileHandle): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of file.createReadStream({ end: MAX_MANIFEST_BYTES, autoClose: false }))
    parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}
