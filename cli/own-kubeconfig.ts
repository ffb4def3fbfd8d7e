/**
 * The cluster in the user's own kubeconfig. Under sudo the user is the one who called it, and the file stays theirs. What was changed is
 * remembered beside the cluster's state, so that a reset takes it out again.
 */
import { execFileSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { loadKubeconfig, mergeKubeconfig, removeFromKubeconfig } from '../machinery/client/kubeconfig.ts';
import type { Paths } from './paths.ts';

const CONTEXT = 'k8ts';

interface Owner {
  readonly home: string;
  readonly uid: number;
  readonly gid: number;
}

/** Who called sudo; undefined without sudo, or when root did. */
function sudoUser(): Owner | undefined {
  const uid = process.env['SUDO_UID'];
  if (process.getuid?.() !== 0 || uid === undefined || !/^[1-9]\d*$/.test(uid)) return undefined;
  const [, , , gid = '', , home = ''] = execFileSync('getent', ['passwd', uid], { encoding: 'utf8' }).split(':');
  return { home, uid: Number(uid), gid: Number(gid) };
}

/** Adds the cluster as context `k8ts` and makes it the current one. @returns the file's path */
export async function addToOwnKubeconfig(paths: Paths): Promise<string> {
  const owner = sudoUser();
  const named = process.env['KUBECONFIG']?.split(':')[0];
  const file =
    named !== undefined && named !== '' && named !== paths.adminKubeconfig
      ? named
      : join(owner?.home ?? homedir(), '.kube', 'config');
  const made = mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  if (made !== undefined && owner !== undefined) chownSync(dirname(file), owner.uid, owner.gid);
  const before = statSync(file, { throwIfNoEntry: false });
  await mergeKubeconfig(file, { ...(await loadKubeconfig(paths.adminKubeconfig)), name: CONTEXT });
  const { uid, gid } = before ?? owner ?? statSync(file);
  chownSync(file, uid, gid);
  const known = remembered(paths).find(entry => entry.file === file);
  if (known === undefined) {
    const entries = [...remembered(paths), { file, isOurs: before === undefined }];
    writeFileSync(paths.mergedKubeconfigs, JSON.stringify(entries), { mode: 0o600 });
  }
  return file;
}

/** Takes it out of every file that it was added to; gives those. */
export async function removeFromOwnKubeconfigs(paths: Paths): Promise<string[]> {
  const entries = remembered(paths).filter(({ file }) => existsSync(file));
  for (const { file, isOurs } of entries) {
    const { uid, gid } = statSync(file);
    await removeFromKubeconfig(file, CONTEXT);
    const isEmpty = /^contexts: \[\]$/m.test(readFileSync(file, 'utf8'));
    if (isOurs && isEmpty) rmSync(file);
    else chownSync(file, uid, gid);
  }
  return entries.map(({ file }) => file);
}

interface Entry {
  readonly file: string;
  /** There was no such file before. */
  readonly isOurs: boolean;
}

function remembered(paths: Paths): Entry[] {
  if (!existsSync(paths.mergedKubeconfigs)) return [];
  return JSON.parse(readFileSync(paths.mergedKubeconfigs, 'utf8')) as Entry[];
}
