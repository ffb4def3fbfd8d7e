/** An image of nothing but noise, as `docker save` would write it: for tests that need one that nobody uses. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './command.ts';

/** @param folder made, and filled. @returns path of the archive */
export async function imageArchive(folder: string, name: string, mebibytes: number): Promise<string> {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'noise'), randomBytes(mebibytes << 20));
  await run(['tar', '-C', folder, '-cf', join(folder, 'layer.tar'), 'noise']);
  const digest = createHash('sha256')
    .update(readFileSync(join(folder, 'layer.tar')))
    .digest('hex');
  const rootfs = { type: 'layers', diff_ids: [`sha256:${digest}`] };
  writeFileSync(
    join(folder, 'config.json'),
    JSON.stringify({ architecture: 'amd64', os: 'linux', config: {}, rootfs }),
  );
  const manifest = [{ Config: 'config.json', RepoTags: [name], Layers: ['layer.tar'] }];
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest));
  const archive = join(folder, 'image.tar');
  await run(['tar', '-C', folder, '-cf', archive, 'config.json', 'layer.tar', 'manifest.json']);
  return archive;
}
