/**
 * Builds an OCI image of one layer as a tar archive (OCI image layout), in process.
 *
 * - The same input gives the same bytes: no times, no user, entries in the given order. So an image's digest is stable.
 * - Layers are not compressed: they are imported on the machine that builds them.
 * Source: OCI image-spec 1.0 (image-layout, manifest, config).
 */
import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';

/** One entry of the image's file system; parent directories come first. Paths have no leading slash. */
export type ImageEntry =
  | { readonly kind: 'directory'; readonly path: string; readonly mode?: number }
  | { readonly kind: 'file'; readonly path: string; readonly content: Uint8Array | string; readonly mode?: number }
  | { readonly kind: 'symlink'; readonly path: string; readonly target: string };

/** An image to build. */
export interface ImageDefinition {
  /** Full name with domain and tag: `docker.io/k8ts/pause:1`. */
  readonly name: string;
  /** OCI's name: `amd64`, `arm64`. */
  readonly architecture: string;
  readonly entries: readonly ImageEntry[];
  /** The program must be an absolute path if `env` has no PATH. */
  readonly entrypoint: readonly string[];
  readonly cmd?: readonly string[];
  readonly env?: readonly string[];
  readonly user?: string;
  readonly workingDir?: string;
  readonly exposedPorts?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
}

const NO_TIME = new Date(0);
const MEDIA_TYPE = 'application/vnd.oci.image';

/** The archive's bytes. */
export async function buildImage(definition: ImageDefinition): Promise<Buffer> {
  const layer = blob(`${MEDIA_TYPE}.layer.v1.tar`, await tar(definition.entries));
  const config = blob(`${MEDIA_TYPE}.config.v1+json`, json(imageConfig(definition, layer.descriptor.digest)));
  const manifest = blob(
    `${MEDIA_TYPE}.manifest.v1+json`,
    json({
      schemaVersion: 2,
      mediaType: `${MEDIA_TYPE}.manifest.v1+json`,
      config: config.descriptor,
      layers: [layer.descriptor],
    }),
  );
  const index = {
    schemaVersion: 2,
    mediaType: `${MEDIA_TYPE}.index.v1+json`,
    manifests: [
      {
        ...manifest.descriptor,
        platform: { architecture: definition.architecture, os: 'linux' },
        annotations: {
          'io.containerd.image.name': definition.name,
          'org.opencontainers.image.ref.name': definition.name.slice(definition.name.lastIndexOf(':') + 1),
        },
      },
    ],
  };
  return tar([
    { kind: 'file', path: 'oci-layout', content: json({ imageLayoutVersion: '1.0.0' }) },
    { kind: 'file', path: 'index.json', content: json(index) },
    ...[layer, config, manifest].map(({ content, descriptor }): ImageEntry => ({
      kind: 'file',
      path: `blobs/${descriptor.digest.replace(':', '/')}`,
      content,
    })),
  ]);
}

function imageConfig(definition: ImageDefinition, layerDigest: string) {
  return {
    created: NO_TIME.toISOString(),
    architecture: definition.architecture,
    os: 'linux',
    config: {
      Entrypoint: definition.entrypoint,
      Cmd: definition.cmd,
      Env: definition.env,
      User: definition.user,
      WorkingDir: definition.workingDir,
      ExposedPorts:
        definition.exposedPorts === undefined
          ? undefined
          : Object.fromEntries(definition.exposedPorts.map(p => [p, {}])),
      Labels: definition.labels,
    },
    rootfs: { type: 'layers', diff_ids: [layerDigest] },
    history: [{ created: NO_TIME.toISOString(), created_by: 'k8ts' }],
  };
}

function blob(mediaType: string, content: Buffer) {
  const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
  return { content, descriptor: { mediaType, digest, size: content.length } };
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function tar(entries: readonly ImageEntry[]): Promise<Buffer> {
  const archive = pack();
  const owner = { mtime: NO_TIME, uid: 0, gid: 0 };
  for (const entry of entries) {
    switch (entry.kind) {
      case 'directory':
        archive.entry({ ...owner, type: 'directory', name: `${entry.path}/`, mode: entry.mode ?? 0o755 });
        break;
      case 'symlink':
        archive.entry({ ...owner, type: 'symlink', name: entry.path, linkname: entry.target, mode: 0o777 });
        break;
      case 'file':
        archive.entry(
          { ...owner, type: 'file', name: entry.path, mode: entry.mode ?? 0o644 },
          Buffer.from(entry.content),
        );
        break;
    }
  }
  archive.finalize();
  return buffer(archive);
}
