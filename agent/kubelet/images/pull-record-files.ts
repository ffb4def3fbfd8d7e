/**
 * Where records of pulls lie, in upstream's form: `image_manager/pulling` holds what was begun, `image_manager/pulled` what is there and with
 * whose credentials it came. Files are replaced as a whole.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../../../machinery/process/write-file-atomic.ts';
import { newIntent, parseIntent, parseRecord, type ImagePulledRecord } from './plan/pull-record.ts';

export class PullRecordFiles {
  private readonly folder: string;

  /** @param root the kubelet's, absolute */
  constructor(root: string) {
    this.folder = join(root, 'image_manager');
  }

  /** @param image full name @throws the file system's error */
  writeIntent(image: string): Promise<void> {
    return writeFileAtomic(this.pullingPath(image), JSON.stringify(newIntent(image)));
  }

  /** @throws the file system's error */
  async hasIntent(image: string): Promise<boolean> {
    const text = await readOrUndefined(this.pullingPath(image));
    return text !== undefined && parseIntent(text)?.image === image;
  }

  /** @throws the file system's error */
  removeIntent(image: string): Promise<void> {
    return rm(this.pullingPath(image), { force: true });
  }

  /** Full names of images whose pull was begun. @throws the file system's error */
  async intents(): Promise<string[]> {
    const texts = await Promise.all((await this.list('pulling')).map(path => readFile(path, 'utf8')));
    return texts.flatMap(text => parseIntent(text)?.image ?? []);
  }

  /** Undefined if there is none. @throws the file system's error */
  async read(imageRef: string): Promise<ImagePulledRecord | 'unreadable' | undefined> {
    const text = await readOrUndefined(this.pulledPath(imageRef));
    if (text === undefined) return undefined;
    const record = parseRecord(text);
    return record?.imageRef === imageRef ? record : 'unreadable';
  }

  /** @throws the file system's error */
  write(record: ImagePulledRecord): Promise<void> {
    return writeFileAtomic(this.pulledPath(record.imageRef), JSON.stringify(record));
  }

  /** Removes records that `isStale`; what cannot be read stays. @throws the file system's error */
  async prune(isStale: (record: ImagePulledRecord) => boolean): Promise<void> {
    for (const path of await this.list('pulled')) {
      const record = parseRecord(await readFile(path, 'utf8').catch(() => ''));
      if (record !== undefined && isStale(record)) await rm(path, { force: true });
    }
  }

  private async list(kind: 'pulling' | 'pulled'): Promise<string[]> {
    const folder = join(this.folder, kind);
    const files = await readdir(folder).catch(() => []);
    return files.filter(file => /^sha256-[0-9a-f]{64}$/.test(file)).map(file => join(folder, file));
  }

  private pullingPath(image: string): string {
    return join(this.folder, 'pulling', fileNameOf(image));
  }

  private pulledPath(imageRef: string): string {
    return join(this.folder, 'pulled', fileNameOf(imageRef));
  }
}

function fileNameOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('hex')}`;
}

async function readOrUndefined(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
