/**
 * Reads the files that a container takes variables from. They lie in a volume that other containers of the pod write to: nothing that
 * they do there (links to elsewhere, pipes, huge files) reaches beyond it.
 */
import { constants, open, readlink, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { Container } from '../../../proto/api/core-v1.ts';
import { ConfigError, envFileKey } from '../plan/environment.ts';
import type { PreparedVolumes } from '../volumes/volume-manager.ts';

const MAX_BYTES = 1024 * 1024;

/** Their texts by `envFileKey`; one that does not exist is left out. @throws ConfigError for what is no readable file */
export async function readEnvFiles(container: Container, volumes: PreparedVolumes): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for (const { valueFrom } of container.env ?? []) {
    const reference = valueFrom?.fileKeyRef;
    if (reference === undefined || texts.has(envFileKey(reference))) continue;
    const folder = volumes.get(reference.volumeName)?.hostPath;
    if (folder === undefined)
      throw new ConfigError(`cannot find the volume "${reference.volumeName}" referenced by FileKeyRef`);
    const text = await readInside(folder, reference.path);
    if (text !== undefined) texts.set(envFileKey(reference), text);
  }
  return texts;
}

async function readInside(folder: string, path: string): Promise<string | undefined> {
  const root = await realpath(folder);
  // A pipe without a writer must not hold us up.
  const file = await open(join(root, path), constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new ConfigError(`cannot read environment variable file "${path}": ${(error as Error).message}`);
  });
  if (file === undefined) return undefined;
  try {
    // Looked at once it is open: links may be changed at any time.
    const real = await readlink(`/proc/self/fd/${file.fd}`);
    if (!real.startsWith(`${root}/`))
      throw new ConfigError(`environment variable file "${path}" is outside of its volume`);
    const stat = await file.stat();
    if (!stat.isFile()) throw new ConfigError(`environment variable file "${path}" is no regular file`);
    if (stat.size > MAX_BYTES) throw new ConfigError(`environment variable file "${path}" is larger than 1 MiB`);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}
