/**
 * An estate: the folder that holds everything one test run made on this host, and the process that owns it.
 *
 * - Whatever is made (namespaces, cgroups, files) bears the estate's id and is written down before it is made, so that anybody can take
 *   it away from the folder alone.
 * - Nothing outlives its owner: a guard outside of the owner's session waits for its end, however it comes, and sweeps.
 */
import { randomBytes } from 'node:crypto';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { clearEstate } from './clear-estate.ts';
import { startTicks } from './processes.ts';

const ROOT = join(tmpdir(), 'k8ts-e2e');
const SWEEP = fileURLToPath(new URL('../sweep/main.ts', import.meta.url));

export interface Estate {
  /** Part of every name: at most 8 characters. */
  readonly id: string;
  readonly directory: string;
}

interface Owner {
  readonly pid: number;
  readonly startTicks: string | undefined;
  readonly name: string;
}

/**
 * Opens a new estate, or the one that this process opened before under the same name.
 * @param keep it has no owner and stays until somebody clears it (the lab)
 */
export function openEstate(name: string, { keep = false } = {}): Estate & { readonly isNew: boolean } {
  const known = listEstates().find(e => e.owner?.name === name && (keep || e.owner.pid === process.pid));
  if (known !== undefined) return { id: known.id, directory: known.directory, isNew: false };
  const id = randomBytes(2).toString('hex');
  const directory = join(ROOT, id);
  // Overlay mounts and containers' files lie below: others may pass, not look.
  mkdirSync(directory, { recursive: true, mode: 0o711 });
  const owner: Owner = keep
    ? { pid: 0, startTicks: undefined, name }
    : { pid: process.pid, startTicks: startTicks(process.pid), name };
  writeFileSync(join(directory, 'owner.json'), JSON.stringify(owner));
  if (!keep) startGuard();
  return { id, directory, isNew: true };
}

/** One guard an owner: it waits for the owner's end, then sweeps what is without owner. */
function startGuard(): void {
  const mark = join(ROOT, `guard-${process.pid}-${startTicks(process.pid) ?? ''}`);
  if (existsSync(mark)) return;
  writeFileSync(mark, '');
  const script = `tail --pid=${process.pid} -f /dev/null; rm -f '${mark}'; exec '${process.execPath}' --import tsx '${SWEEP}'`;
  spawn('sh', ['-c', script], {
    detached: true,
    stdio: 'ignore',
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
  }).unref();
}

export function listEstates(): (Estate & { readonly owner: Owner | undefined })[] {
  if (!existsSync(ROOT)) return [];
  return readdirSync(ROOT, { withFileTypes: true })
    .filter(entry => entry.isDirectory())
    .map(({ name: id }) => {
      const directory = join(ROOT, id);
      let owner: Owner | undefined;
      try {
        owner = JSON.parse(readFileSync(join(directory, 'owner.json'), 'utf8')) as Owner;
      } catch {
        owner = undefined;
      }
      return { id, directory, owner };
    });
}

/** Takes everything of it away. */
export async function closeEstate(estate: Estate): Promise<void> {
  await clearEstate(estate.id, estate.directory);
  rmSync(estate.directory, { recursive: true, force: true });
}

/** Closes the estates whose owner is gone. @returns their ids */
export async function sweepEstates(): Promise<string[]> {
  const orphans = listEstates().filter(
    ({ owner }) => owner === undefined || (owner.pid !== 0 && startTicks(owner.pid) !== owner.startTicks),
  );
  for (const estate of orphans) await closeEstate(estate);
  return orphans.map(({ id }) => id);
}
