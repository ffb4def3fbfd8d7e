/**
 * Checks what is at a path of the host, and makes it where the type says so. The texts are upstream's.
 * Source: kubernetes `pkg/volume/hostpath/host_path.go`, checkTypeInternal.
 */
import { mkdir, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Stats } from 'node:fs';

/** @returns '' when the path is as asked for, else why not (for the pod's event) */
export async function checkPath(path: string, type: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  switch (type) {
    case '':
      return '';
    case 'Existing':
      return found === undefined ? `path "${path}" does not exist` : '';
    case 'DirectoryOrCreate':
      if (found === undefined) await mkdir(path, { recursive: true, mode: 0o755 });
      return found === undefined || found.isDirectory() ? '' : wrong(path, 'directory');
    case 'FileOrCreate':
      if (found !== undefined) return found.isFile() ? '' : wrong(path, 'file');
      if ((await stat(dirname(path)).catch(() => undefined)) === undefined)
        return `hostPath type check failed: the folder of ${path} does not exist`;
      await (await open(path, 'a', 0o644)).close();
      return '';
    default: {
      const check = CHECKS[type];
      if (check === undefined) return `${type} is an invalid volume type`;
      const [is, what] = check;
      return found !== undefined && is(found) ? '' : wrong(path, what);
    }
  }
}

const CHECKS: Readonly<Record<string, readonly [(s: Stats) => boolean, string]>> = {
  Directory: [s => s.isDirectory(), 'directory'],
  File: [s => s.isFile(), 'file'],
  Socket: [s => s.isSocket(), 'socket file'],
  CharDevice: [s => s.isCharacterDevice(), 'character device'],
  BlockDevice: [s => s.isBlockDevice(), 'block device'],
};

function wrong(path: string, what: string): string {
  return `hostPath type check failed: ${path} is not a ${what}`;
}
