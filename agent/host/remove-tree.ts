/** Removes a folder and all below it, on its own file system alone. Large trees go in another process: they take seconds of a processor. */
import { opendir, rm } from 'node:fs/promises';
import { run } from './exec.ts';

const SMALL = 50;

/** Of what is not there, nothing. What is mounted below must have been taken away before. */
export async function removeTree(path: string): Promise<void> {
  if (await isSmall(path)) await rm(path, { recursive: true, force: true });
  else await run(['rm', '-rf', '--one-file-system', '--', path], { timeoutMs: 0 });
}

/** Looks at no more entries than it must: there may be millions. */
async function isSmall(path: string): Promise<boolean> {
  const folder = await opendir(path).catch(() => undefined);
  if (folder === undefined) return true;
  let count = 0;
  for await (const entry of folder) if (entry.isDirectory() || ++count > SMALL) return false;
  return true;
}
