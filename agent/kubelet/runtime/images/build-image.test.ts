import { createHash } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { extract } from 'tar-stream';
import { buffer } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { buildImage, type ImageDefinition } from './build-image.ts';
import { buildPauseImage } from './own-images.ts';

async function untar(archive: Buffer): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  const reader = Readable.from([archive]).pipe(extract());
  for await (const entry of reader) files.set(entry.header.name, await buffer(entry));
  return files;
}

const definition: ImageDefinition = {
  name: 'docker.io/k8ts/x:1',
  architecture: 'amd64',
  entries: [
    { kind: 'directory', path: 'bin' },
    { kind: 'file', path: 'bin/a', content: 'a', mode: 0o755 },
    { kind: 'symlink', path: 'bin/b', target: 'a' },
  ],
  entrypoint: ['/bin/a'],
};

test('buildImage() gives a layout in which every descriptor fits its blob', async () => {
  const files = await untar(await buildImage(definition));
  const index = JSON.parse(String(files.get('index.json'))) as { manifests: { digest: string; annotations: object }[] };
  expect(index.manifests[0]?.annotations).toMatchObject({ 'io.containerd.image.name': 'docker.io/k8ts/x:1' });
  const blobs = [...files].filter(([name]) => name.startsWith('blobs/'));
  expect(blobs).toHaveLength(3);
  for (const [name, content] of blobs) {
    expect(name).toBe(`blobs/sha256/${createHash('sha256').update(content).digest('hex')}`);
  }
  const manifest = JSON.parse(String(files.get(`blobs/${index.manifests[0]?.digest.replace(':', '/')}`))) as {
    config: { digest: string; size: number };
    layers: { digest: string }[];
  };
  const configBlob = files.get(`blobs/${manifest.config.digest.replace(':', '/')}`);
  expect(configBlob?.length).toBe(manifest.config.size);
  expect(JSON.parse(String(configBlob))).toMatchObject({
    config: { Entrypoint: ['/bin/a'] },
    rootfs: { diff_ids: [manifest.layers[0]?.digest] },
  });
});

test('buildImage() gives the same bytes for the same input', async () => {
  expect((await buildImage(definition)).equals(await buildImage(definition))).toBe(true);
});

test('buildPauseImage() is a few kilobytes, and refuses processors it has no program for', async () => {
  expect((await buildPauseImage('arm64')).length).toBeLessThan(20_000);
  await expect(buildPauseImage('riscv64')).rejects.toThrow('riscv64');
});
