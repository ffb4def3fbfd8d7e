/** `k8ts images list|import`: what the container runtime has, and bringing images in without a registry. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createWriteStream } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { silentLogger } from '../../machinery/process/logger.ts';
import type { Config } from '../config.ts';
import { CliError, exitCodes } from '../exit-codes.ts';
import type { Output } from '../output.ts';
import { pathsOf } from '../paths.ts';
import { requireAccess } from '../require-access.ts';
import { createNodeParts } from '../roots/node-parts.ts';

export async function images(config: Config, args: Readonly<Record<string, unknown>>, output: Output): Promise<void> {
  const parts = createNodeParts(config, pathsOf(config), silentLogger);
  requireAccess(parts.socketPath, `images ${String(args['action'])}`);
  if (!existsSync(parts.socketPath))
    throw new CliError(`No container runtime at ${parts.socketPath}; start it with: k8ts up`, exitCodes.notRunning);
  try {
    if (args['action'] === 'import') return await importFrom(args['path'] as string | undefined, parts, output);
    const found = await parts.cri.listImages();
    const rows = found.map(i => ({ id: i.id, tags: i.repoTags, sizeBytes: Number(i.size) }));
    const text = rows.map(r => `${(r.tags[0] ?? r.id).padEnd(60)} ${(r.sizeBytes / 1e6).toFixed(1)} MB`).join('\n');
    output.result({ images: rows }, text === '' ? 'No images' : text);
  } finally {
    parts.cri.close();
  }
}

async function importFrom(
  path: string | undefined,
  { importer }: ReturnType<typeof createNodeParts>,
  output: Output,
): Promise<void> {
  if (path === undefined)
    throw new CliError('Say which file: k8ts images import IMAGES.tar (- for standard input)', exitCodes.usage);
  if (path !== '-' && !existsSync(path)) throw new CliError(`There is no file ${path}`, exitCodes.usage);
  const folder = path === '-' ? mkdtempSync(join(tmpdir(), 'k8ts-import-')) : undefined;
  try {
    const file = folder === undefined ? path : join(folder, 'images.tar');
    if (folder !== undefined) await pipeline(process.stdin, createWriteStream(file, { mode: 0o600 }));
    const begin = performance.now();
    const names = await importer.importFile(file).catch((error: unknown) => {
      throw new CliError(
        `Cannot import ${path}: is it a tar of images (docker save, ctr images export)?`,
        exitCodes.failed,
        {
          cause: error,
        },
      );
    });
    if (names.length === 0) throw new CliError(`${path} holds no image that has a name`);
    for (const name of names) output.step('imported', performance.now() - begin, name);
    output.result({ imported: names });
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}
