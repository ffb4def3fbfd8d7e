/** Removes a folder and all below it, on its own file system alone. Large trees go in another process: they take seconds of a processor. */
import { readdir, rm } from 'node:fs/promises';
import { run } from './exec.ts';

const SMALL = 50;

/** Of what is not there, nothing. What is mounted below must have been taken away before. */
export async function removeTree(path: string): Promise<void> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  if (entries.length <= SMALL && !entries.some(entry => entry.isDirectory()))
    await rm(path, { recursive: true, force: true });
  else await run(['rm', '-rf', '--one-file-system', '--', path], { timeoutMs: 0 });
}
