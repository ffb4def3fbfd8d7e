/**
 * What a runtime that was killed in mid-work never gave back: addresses that host-local reserved, and what libcni remembers of sandboxes
 * that are gone. A node would else run out of addresses, one kill after the other, and lead host ports to pods that are no more.
 */
import { readFile, readdir, rm, stat } from 'node:fs/promises';
import { isIP } from 'node:net';
import path from 'node:path';
import type { Attachments } from './attachments.ts';
import { CNI_NETWORK_NAME } from './plan/cni-config.ts';

export interface LeftBehindOptions {
  /** Of host-local. */
  readonly ipamDir: string;
  readonly attachments: Attachments;
  /** Ids of all sandboxes that the runtime knows, whatever their state. */
  readonly sandboxIds: () => Promise<ReadonlySet<string>>;
  /** Younger ones may be of a sandbox that is just being made or taken away; default ten minutes. */
  readonly ageMs?: number;
}

const AGE_MS = 600_000;

/** Gives it back. @param nowMs since the epoch @returns addresses and ids, for the log @throws what `sandboxIds` throws */
export async function clearLeftBehind(options: LeftBehindOptions, nowMs: number): Promise<string[]> {
  const { ipamDir, attachments, ageMs = AGE_MS } = options;
  const directory = path.join(ipamDir, CNI_NETWORK_NAME);
  const old = async (file: string): Promise<boolean> =>
    stat(file).then(
      ({ mtimeMs }) => nowMs - mtimeMs > ageMs,
      () => false,
    );
  const reserved: { file: string; name: string; id: string }[] = [];
  for (const name of await readdir(directory).catch(() => [])) {
    const file = path.join(directory, name);
    if (isIP(name) === 0 || !(await old(file))) continue;
    const [id = ''] = (await readFile(file, 'utf8').catch(() => '')).trim().split(/\s+/);
    if (id !== '') reserved.push({ file, name, id });
  }
  const remembered = await attachments.files();
  // Asked last: what is in use by now is among them.
  const known = await options.sandboxIds();
  const cleared: string[] = [];
  for (const { file, name, id } of reserved) {
    if (known.has(id)) continue;
    await rm(file, { force: true });
    cleared.push(name);
  }
  for (const { file, id } of remembered) {
    if (known.has(id) || !(await old(file))) continue;
    await rm(file, { force: true });
    cleared.push(id);
  }
  return cleared;
}
