/**
 * What tests of registries need besides a registry, run on the host that it is for:
 *
 *   tsx e2e/registry/main.ts push URL REPOSITORY BYTES      pushes an image `:1` with one layer of noise; it cannot run
 *   tsx e2e/registry/main.ts stall ADDRESS PORT URL         a registry that passes on what URL says, and stops in the middle of large blobs
 */
import { createHash, randomBytes } from 'node:crypto';
import { createServer, request as httpRequest } from 'node:http';
import { pipeline } from 'node:stream/promises';

const LARGE_BYTES = 2_000_000;
const MEDIA = 'application/vnd.oci.image';

function digestOf(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

async function must(response: Response): Promise<Response> {
  if (!response.ok) throw new Error(`${response.url}: ${response.status} ${await response.text()}`);
  return response;
}

async function push(url: string, repository: string, bytes: number): Promise<void> {
  const upload = async (content: Buffer, mediaType: string) => {
    const digest = digestOf(content);
    const begun = await must(await fetch(`${url}/v2/${repository}/blobs/uploads/`, { method: 'POST' }));
    const place = new URL(begun.headers.get('location') ?? '', url);
    place.searchParams.set('digest', digest);
    await must(await fetch(place, { method: 'PUT', body: content }));
    return { mediaType, digest, size: content.length };
  };
  const noise = randomBytes(bytes);
  const layer = await upload(noise, `${MEDIA}.layer.v1.tar`);
  const architecture = { x64: 'amd64', arm64: 'arm64' }[process.arch as string] ?? process.arch;
  const rootfs = { type: 'layers', diff_ids: [layer.digest] };
  const settings = Buffer.from(JSON.stringify({ architecture, os: 'linux', config: {}, rootfs }));
  const config = await upload(settings, `${MEDIA}.config.v1+json`);
  const mediaType = `${MEDIA}.manifest.v1+json`;
  const body = JSON.stringify({ schemaVersion: 2, mediaType, config, layers: [layer] });
  const headers = { 'content-type': mediaType };
  await must(await fetch(`${url}/v2/${repository}/manifests/1`, { method: 'PUT', body, headers }));
}

function stall(address: string, port: number, url: string): void {
  const server = createServer((req, res) => {
    const passed = httpRequest(new URL(req.url ?? '/', url), { method: req.method, headers: req.headers }, answer => {
      res.writeHead(answer.statusCode ?? 500, answer.headers);
      const isLarge = Number(answer.headers['content-length'] ?? 0) > LARGE_BYTES;
      if (!isLarge || req.method === 'HEAD') return void pipeline(answer, res).catch(() => undefined);
      // The head of it, and then nothing more, on a connection that stays.
      let sent = 0;
      answer.on('data', (chunk: Buffer) => {
        res.write(chunk);
        sent += chunk.length;
        if (sent > LARGE_BYTES) answer.destroy();
      });
    });
    passed.on('error', () => res.destroy());
    req.pipe(passed);
  });
  server.listen(port, address);
}

const [what, ...args] = process.argv.slice(2);
if (what === 'push') await push(args[0] ?? '', args[1] ?? '', Number(args[2]));
else if (what === 'stall') stall(args[0] ?? '', Number(args[1]), args[2] ?? '');
else throw new Error('say push or stall');
