/** `k8ts images list|import`: what the container runtime has, and bringing images in without a registry. */
import { createWriteStream, existsSync, mkdtempSync, rmSync } from 'node:fs';
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
    if (args['action'] === 'import') return await importFrom(pathOf(args['path']), parts, output);
    const found = await parts.cri.listImages();
    const rows = found.map(i => ({
      id: i.id,
      tags: i.repoTags,
      digests: i.repoDigests,
      sizeBytes: Number(i.size),
      pinned: i.pinned,
    }));
    output.result({ images: rows }, rows.length === 0 ? 'No images' : table(rows));
  } finally {
    parts.cri.close();
  }
}

/** The parser of the command line makes nothing of a `-`. */
function pathOf(given: unknown): string | undefined {
  return given === '' ? '-' : (given as string | undefined);
}

/** One line a name; images that lost theirs come by digest or id. */
function table(
  images: readonly { id: string; tags: readonly string[]; digests: readonly string[]; sizeBytes: number }[],
): string {
  const lines = images.flatMap(({ id, tags, digests, sizeBytes }) => {
    const names = tags.length > 0 ? tags : [digests[0] ?? id];
    return names.map(name => [name, id.replace(/^sha256:/, '').slice(0, 12), `${(sizeBytes / 1e6).toFixed(1)} MB`]);
  });
  lines.sort(([a = ''], [b = '']) => (a < b ? -1 : 1));
  const all = [['IMAGE', 'ID', 'SIZE'], ...lines];
  const width = Math.max(...all.map(([name = '']) => name.length));
  return all.map(([name = '', id = '', size = '']) => `${name.padEnd(width)}  ${id.padEnd(12)}  ${size}`).join('\n');
}

async function importFrom(
  path: string | undefined,
  { importer, cri }: ReturnType<typeof createNodeParts>,
  output: Output,
): Promise<void> {
  if (path === undefined)
    throw new CliError('Say which file: k8ts images import IMAGES.tar (- for standard input)', exitCodes.usage);
  if (path !== '-' && !existsSync(path)) throw new CliError(`There is no file ${path}`, exitCodes.usage);
  const { runtimeName } = await cri.version();
  if (runtimeName !== 'containerd')
    throw new CliError(`Only containerd takes images from files, and this node runs ${runtimeName}; use its own tools`);
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
