/** hostPath volumes: checks what is on the host, and makes it where the type says so. Source: kubernetes.io/docs, "hostPath". */
import { mkdir, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Stats } from 'node:fs';
import type { HostPathVolumeSource } from '../../../proto/api/core-v1.ts';

/** @returns undefined when the path is as asked for, else why not (for the pod's event) */
export async function prepareHostPath({ path, type = '' }: HostPathVolumeSource): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  switch (type) {
    case '':
      return undefined;
    case 'DirectoryOrCreate':
      if (found === undefined) await mkdir(path, { recursive: true, mode: 0o755 });
      return found === undefined || found.isDirectory() ? undefined : wrong(path, 'directory');
    case 'FileOrCreate':
      if (found !== undefined) return found.isFile() ? undefined : wrong(path, 'file');
      if ((await stat(dirname(path)).catch(() => undefined)) === undefined)
        return `hostPath type check failed: the folder of ${path} does not exist`;
      await (await open(path, 'a', 0o644)).close();
      return undefined;
    default: {
      const check = CHECKS[type];
      if (check === undefined) return `hostPath type "${type}" is unknown`;
      const [is, what] = check;
      return found !== undefined && is(found) ? undefined : wrong(path, what);
    }
  }
}

const CHECKS: Readonly<Record<string, readonly [(s: Stats) => boolean, string]>> = {
  Directory: [s => s.isDirectory(), 'directory'],
  File: [s => s.isFile(), 'file'],
  Socket: [s => s.isSocket(), 'socket'],
  CharDevice: [s => s.isCharacterDevice(), 'character device'],
  BlockDevice: [s => s.isBlockDevice(), 'block device'],
};

function wrong(path: string, what: string): string {
  return `hostPath type check failed: ${path} is not a ${what}`;
}
