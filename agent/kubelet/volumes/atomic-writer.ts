/**
 * Writes a payload so that a reader sees the old files or the new ones, never a mixture.
 *
 * `DIR/..data` links to the folder of the newest version, and every top-level name links through it; one rename of `..data` changes
 * everything at once. The layout is upstream's, which programs rely on when they watch for changes.
 */
import { randomBytes } from 'node:crypto';
import {
  chmod,
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Payload, PayloadFile } from './plan/volume-payload.ts';

const DATA = '..data';

/** Who owns what is written. */
export interface Ownership {
  /** Group of all files and folders, with group access; undefined: root's, modes as they are. */
  readonly groupId: number | undefined;
}

/** @param nowMs names the version's folder, for people who look */
export async function writePayload(
  directory: string,
  payload: Payload,
  ownership: Ownership,
  nowMs: number,
): Promise<void> {
  await mkdir(directory, { recursive: true });
  // Whatever our umask: who reads it may be anyone. What may be read say the modes of the files.
  await chmod(directory, 0o755);
  const older = await readlink(join(directory, DATA)).catch(() => undefined);
  const stamp = new Date(nowMs).toISOString().slice(0, 19).replace(/[-:T]/g, '_');
  const version = `..${stamp}.${randomBytes(4).toString('hex')}`;
  await writeVersion(join(directory, version), payload, ownership);
  const link = join(directory, `${DATA}_tmp`);
  await rm(link, { force: true });
  await symlink(version, link);
  await rename(link, join(directory, DATA));
  await linkTopLevel(directory, payload);
  if (older !== undefined && older !== version) await rm(join(directory, older), { recursive: true, force: true });
}

/** What is there now; undefined if nothing was ever written. */
export async function readPayload(directory: string): Promise<Payload | undefined> {
  const version = await readlink(join(directory, DATA)).catch(() => undefined);
  if (version === undefined) return undefined;
  const payload = new Map<string, PayloadFile>();
  const walk = async (below: string): Promise<void> => {
    for (const entry of await readdir(join(directory, version, below), { withFileTypes: true })) {
      const path = below === '' ? entry.name : `${below}/${entry.name}`;
      if (entry.isDirectory()) await walk(path);
      else {
        const full = join(directory, version, path);
        const { mode, uid } = await stat(full);
        payload.set(path, { data: await readFile(full), mode: mode & 0o7777, ...(uid === 0 ? {} : { userId: uid }) });
      }
    }
  };
  await walk('');
  return payload;
}

async function writeVersion(root: string, payload: Payload, { groupId }: Ownership): Promise<void> {
  const made = new Set<string>();
  const folder = async (path: string): Promise<void> => {
    if (made.has(path)) return;
    if (path !== root) await folder(dirname(path));
    made.add(path);
    await mkdir(path, { recursive: true });
    if (groupId !== undefined) await chown(path, 0, groupId);
    await chmod(path, groupId === undefined ? 0o755 : 0o2755);
  };
  await folder(root);
  for (const [path, { data, mode, userId = 0 }] of payload) {
    const full = join(root, path);
    await folder(dirname(full));
    await writeFile(full, data, { mode: 0o600 });
    if (groupId !== undefined || userId !== 0) await chown(full, userId, groupId ?? 0);
    // A umask must not take away what the pod asked for.
    await chmod(full, groupId === undefined ? mode : mode | 0o440);
  }
}

/** One link a top-level name, through `..data`; names that are gone lose theirs. */
async function linkTopLevel(directory: string, payload: Payload): Promise<void> {
  const wanted = new Set([...payload.keys()].map(path => path.split('/')[0] ?? path));
  for (const name of await readdir(directory))
    if (!name.startsWith('..') && !wanted.has(name)) await rm(join(directory, name), { recursive: true, force: true });
  for (const name of wanted) {
    const link = join(directory, name);
    if ((await lstat(link).catch(() => undefined)) === undefined) await symlink(join(DATA, name), link);
  }
}
