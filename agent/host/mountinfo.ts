/** Reads /proc/PID/mountinfo. Source: proc(5); spaces, tabs, newlines and backslashes in paths are octal escapes. */
import { readFile } from 'node:fs/promises';

/** One mount. */
export interface Mount {
  readonly id: number;
  readonly parentId: number;
  /** `MAJOR:MINOR`; the same for all mounts of one file system. */
  readonly device: string;
  /** The path within its file system that is mounted. */
  readonly root: string;
  readonly mountPoint: string;
  readonly options: readonly string[];
  /** `shared:N`, `master:N`, `propagate_from:N`, `unbindable` */
  readonly propagation: readonly string[];
  readonly fsType: string;
  readonly source: string;
  readonly superOptions: readonly string[];
}

/** Every mount of the text, in its order: a later mount on the same point hides an earlier one. */
export function parseMountinfo(text: string): Mount[] {
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(parseLine);
}

/** Every mount this process sees. */
export async function readMountinfo(path = '/proc/self/mountinfo'): Promise<Mount[]> {
  return parseMountinfo(await readFile(path, 'utf8'));
}

/** Whether something is mounted on `path` itself. */
export function isMountPoint(mounts: readonly Mount[], path: string): boolean {
  return mounts.some(mount => mount.mountPoint === path);
}

function parseLine(line: string): Mount {
  const fields = line.split(' ');
  // Optional fields stand between the sixth field and a lone hyphen.
  const hyphen = fields.indexOf('-', 6);
  const field = (index: number) => unescape(fields[index] ?? '');
  return {
    id: Number(fields[0]),
    parentId: Number(fields[1]),
    device: field(2),
    root: field(3),
    mountPoint: field(4),
    options: field(5).split(','),
    propagation: fields.slice(6, hyphen),
    fsType: field(hyphen + 1),
    source: field(hyphen + 2),
    superOptions: field(hyphen + 3).split(','),
  };
}

function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
}
