/** The pods that are attached to this node's network, kept current from the directory where the runtime's CNI library remembers them. */
import { readFile, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { CNI_NETWORK_NAME } from './plan/cni-config.ts';
import { isCacheFileOf, readAttachment, type Attachment } from './plan/attachment.ts';

/** Where libcni keeps them; containerd and CRI-O know no other place. */
export const CNI_CACHE_DIR = '/var/lib/cni/results';

export interface AttachmentsOptions {
  readonly cacheDir: string;
  /** Marks attachments of this node. */
  readonly ipamDir: string;
}

export class Attachments {
  private readonly options: AttachmentsOptions;
  /** By file; undefined for those of others. A file is written once. */
  private known = new Map<string, Attachment | undefined>();

  constructor(options: AttachmentsOptions) {
    this.options = options;
  }

  /** All that stand, in the order of their files' names. */
  async list(): Promise<Attachment[]> {
    const { cacheDir, ipamDir } = this.options;
    const files = (await readdir(cacheDir).catch(() => []))
      .filter(file => isCacheFileOf(CNI_NETWORK_NAME, file))
      .sort();
    const known = new Map<string, Attachment | undefined>();
    for (const file of files) {
      if (this.known.has(file)) {
        known.set(file, this.known.get(file));
        continue;
      }
      const text = await readFile(path.join(cacheDir, file), 'utf8').catch(() => '');
      const attachment = readAttachment(text, ipamDir);
      // One that is just being written is read again.
      if (attachment !== undefined || isWhole(text)) known.set(file, attachment);
    }
    this.known = known;
    return [...known.values()].filter(one => one !== undefined);
  }

  /** Where they are remembered, with their sandboxes' ids. */
  async files(): Promise<{ file: string; id: string }[]> {
    await this.list();
    return [...this.known].flatMap(([name, attachment]) =>
      attachment === undefined ? [] : [{ file: path.join(this.options.cacheDir, name), id: attachment.containerId }],
    );
  }

  /** Forgets them all: what a runtime that was killed never took away. */
  async cleanup(): Promise<void> {
    const ids = new Set((await this.list()).map(({ containerId }) => containerId));
    const { cacheDir } = this.options;
    for (const file of await readdir(cacheDir).catch(() => []))
      if ([...ids].some(id => file.includes(id))) await rm(path.join(cacheDir, file), { force: true });
    this.known.clear();
  }
}

function isWhole(text: string): boolean {
  return text.trimEnd().endsWith('}');
}
