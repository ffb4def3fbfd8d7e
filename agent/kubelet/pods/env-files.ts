/**
 * Reads the files that a container takes variables from. They lie in a volume that other containers of the pod write to: nothing that
 * they do there (links to elsewhere, pipes, huge files) reaches beyond it.
 */
import type { Container } from '../../../proto/api/core-v1.ts';
import { openInside } from '../../host/files/open-inside.ts';
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
  const cannot = (why: string): ConfigError =>
    new ConfigError(`cannot read environment variable file "${path}": ${why}`);
  const file = await openInside(folder, path).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw cannot((error as Error).message);
  });
  if (file === undefined) return undefined;
  try {
    if ((await file.stat()).size > MAX_BYTES) throw cannot('it is larger than 1 MiB');
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_BYTES), 0, MAX_BYTES, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}
